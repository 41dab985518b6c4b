import type * as v from "valibot";
import { OqeError } from "../ground/errors.ts";
import { answers, contradiction, readAnswer } from "./answers.ts";
import type { Main } from "./compare.ts";
import { type Subject, strictFetch } from "./failure.ts";
import type { Proposal } from "./hub-types.ts";
import { identify } from "./identify.ts";
import { readHead, readState } from "./inspect.ts";
import { checkRepositoryId } from "./names.ts";
import { authorization, type Transport } from "./transport.ts";

/** More pages of pull requests than this are an endless listing. */
const pageLimit = 200;

/** A pull request of ours. */
export interface Pull {
  /** `refs/pr/N`, which takes commits as a branch does. */
  readonly branch: string;
  /** Of its page on the Hub. */
  readonly url: string;
  /** Whether it can still be merged; false: somebody closed it. */
  readonly isOpen: boolean;
  readonly head: Main;
}

type Listed = v.InferOutput<typeof answers.discussions>["discussions"][number];

/**
 * The pull request with this title that our account opened: the newest open one, else the newest
 * that was closed and not merged. null: there is none.
 */
export async function findPull(
  transport: Transport,
  repository: string,
  title: string,
): Promise<Pull | null> {
  const id = checkRepositoryId(repository);
  const subject: Subject & { id: string } = { id, right: "write" };
  if (transport.access === "keyless") {
    throw new OqeError(
      "FORBIDDEN",
      `A pull request for ${id} needs a token: a keyless run has no account, so its pull requests ` +
        "cannot be told from those of others",
      "Pass hub-token, or leave hub-pull-request out.",
    );
  }
  // Without a token nothing is written: then the title is enough to say what waits.
  const author = transport.access === "token" ? (await identify(transport)).name : null;
  const ours = (await listPulls(transport, subject)).filter(
    (one) => one.title === title && (author === null || one.author?.name === author),
  );
  const [newest] = [
    ...ours.filter(({ status }) => status === "open" || status === "draft"),
    ...ours.filter(({ status }) => status === "closed"),
  ];
  if (newest === undefined) return null;
  const branch = `refs/pr/${newest.num}`;
  const head = await readHead(transport, { ...subject, revision: branch });
  const url = `${transport.endpoint}/${id}/discussions/${newest.num}`;
  return head === null ? null : { branch, url, isOpen: newest.status !== "closed", head };
}

/** All pull requests of a repository, newest first. */
async function listPulls(
  transport: Transport,
  subject: Subject & { readonly id: string },
): Promise<Listed[]> {
  const fetch = strictFetch(transport, subject);
  const headers = { accept: "application/json", ...authorization(transport) };
  const where = `the pull requests of ${subject.id}`;
  const found = new Map<number, Listed>();
  for (let page = 0; page < pageLimit; page++) {
    const query = `p=${page}&type=pull_request&status=all`;
    const at = `${transport.endpoint}/api/models/${subject.id}/discussions?${query}`;
    const { count, start, discussions } = await readAnswer(
      answers.discussions,
      await fetch(at, { headers }),
      where,
    );
    for (const one of discussions) if (one.isPullRequest) found.set(one.num, one);
    if (discussions.length === 0 || start + discussions.length >= count)
      return [...found.values()].sort((a, b) => b.num - a.num);
  }
  throw contradiction(where, "never end");
}

/** The files of our pull request, as `inspect` reads those of main; null if there is none. */
export async function inspectProposal(
  transport: Transport,
  repository: string,
  title: string,
): Promise<Proposal | null> {
  try {
    const pull = await findPull(transport, repository, title);
    if (pull === null) return null;
    const { url, isOpen, head } = pull;
    return { url, isOpen, state: await readState(transport, repository, head) };
  } catch (failure) {
    // The repository does not exist yet.
    if (failure instanceof OqeError && failure.code === "NOT_FOUND") return null;
    throw failure;
  }
}
