import { datasetInfo, modelInfo } from "@huggingface/hub";
import {
  answers,
  contradiction,
  parseAnswer,
  parseFile,
  readAnswer,
  type TreeFile,
} from "./answers.ts";
import { adopt, type Subject, strictFetch } from "./failure.ts";
import { authorization, credentials, type Transport } from "./transport.ts";

/** The Hub's own limit of files per repository. */
const fileLimit = 100_000;

/** Pages have up to 1000 entries. More pages than this are an endless loop. */
const pageLimit = 1_000;

/** Prefix of a dataset's id in addresses and messages. */
const datasets = "datasets/";

/**
 * The commit of a revision, 40 hex digits, and the current name of the model or dataset: it may be
 * renamed. The id of a dataset begins with `datasets/`, its name does not.
 */
export async function resolveRevision(
  transport: Transport,
  subject: Subject & { readonly id: string; readonly revision: string },
): Promise<{ id: string; commit: string }> {
  const { id, revision } = subject;
  const request = {
    revision,
    additionalFields: ["sha" as const],
    hubUrl: transport.endpoint,
    fetch: strictFetch(transport, subject),
    ...credentials(transport),
  };
  const answer = id.startsWith(datasets)
    ? datasetInfo({ ...request, name: id.slice(datasets.length) })
    : modelInfo({ ...request, name: id });
  const info = await answer.catch((failure: unknown) => {
    throw adopt(transport, subject, failure);
  });
  const { sha, name } = parseAnswer(answers.revision, info, `${id}@${revision}`);
  return { id: name, commit: sha };
}

/**
 * Every file of a commit, sorted by path. Throws NETWORK or BAD_CHECKPOINT for a list with illegal
 * paths or sizes, a file twice, or no end.
 */
export async function listTree(
  transport: Transport,
  subject: Subject & { readonly id: string },
  commit: string,
): Promise<Map<string, TreeFile>> {
  const where = `${subject.id}@${commit}`;
  const fetch = strictFetch(transport, subject);
  const files: [string, TreeFile][] = [];
  let page: string | null =
    `${transport.endpoint}/api/models/${subject.id}/tree/${commit}?recursive=true&expand=false`;
  for (let pages = 0; page !== null; pages++) {
    if (pages === pageLimit || files.length > fileLimit)
      throw contradiction(where, `lists more than ${fileLimit} files, or never ends`);
    const response: Response = await fetch(page, {
      headers: { accept: "application/json", ...authorization(transport) },
    });
    const entries = await readAnswer(answers.entries, response, where);
    for (const entry of entries) if (entry.type === "file") files.push(parseFile(entry, where));
    page = nextPage(response.headers.get("link"), page);
  }
  const tree = new Map(files.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  if (tree.size !== files.length) throw contradiction(where, "lists a file twice");
  return tree;
}

/** The next page by `Link: <…>; rel="next"` (RFC 8288), relative to this page. */
function nextPage(link: string | null, page: string): string | null {
  const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
  return next === undefined || !URL.canParse(next, page) ? null : new URL(next, page).href;
}
