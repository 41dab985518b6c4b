import { modelInfo } from "@huggingface/hub";
import { OqeError } from "../ground/errors.ts";
import { adopt, type Subject, strictFetch } from "./failure.ts";
import { isRepositoryId, pathFault, printable } from "./names.ts";
import { tokenPlaceholder } from "./origin.ts";
import type { Transport } from "./transport.ts";

/** The Hub's own limit of files per repository. */
const fileLimit = 100_000;

/** Pages hold up to 1000 entries; far more pages than files could fill are a loop. */
const pageLimit = 1_000;

/** A file of a commit, as the Hub lists it. */
export interface TreeFile {
  /** Bytes. */
  readonly size: number;
  /** SHA-1 of the git blob (of the pointer, for LFS files). */
  readonly oid: string;
  /** SHA-256 of the content; null for files that git holds itself. */
  readonly sha256: string | null;
}

/** What a revision means right now: the repository's present name (it may have moved) and the commit, 40 hex digits. */
export async function resolveRevision(
  transport: Transport,
  subject: Subject & { readonly id: string; readonly revision: string },
): Promise<{ id: string; commit: string }> {
  const { id, revision } = subject;
  const info = await modelInfo({
    name: id,
    revision,
    additionalFields: ["sha"],
    hubUrl: transport.endpoint,
    fetch: strictFetch(transport, subject),
    ...credentials(transport),
  }).catch((failure: unknown) => {
    throw adopt(transport, subject, failure);
  });
  return checkResolved(`${id}@${revision}`, { sha: info.sha, name: info.name ?? id });
}

/** What the Hub says of a revision, held to be a commit and a name. */
export function checkResolved(
  where: string,
  info: { sha: unknown; name: unknown },
): { id: string; commit: string } {
  const commit = String(info.sha);
  if (!/^[0-9a-f]{40}$/.test(commit)) {
    throw nonsense(where, `expected a commit of 40 hex digits, got ${printable(commit)}`);
  }
  const id = String(info.name);
  if (!isRepositoryId(id)) throw nonsense(where, `it calls the repository "${printable(id)}"`);
  return { id, commit };
}

/** What the library is given to write into `Authorization`: never the token itself. */
export function credentials(transport: Transport): { accessToken?: string } {
  return transport.authenticated ? { accessToken: tokenPlaceholder } : {};
}

/** For requests of our own. */
export function authorization(transport: Transport): Record<string, string> {
  return transport.authenticated ? { Authorization: `Bearer ${tokenPlaceholder}` } : {};
}

/** Every file of a commit, sorted by path. The listing is checked: legal paths, sane sizes, no file twice, bounded paging. */
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
      throw nonsense(where, "its list of files does not end");
    const response: Response = await fetch(page, {
      headers: { accept: "application/json", ...authorization(transport) },
    });
    const entries: unknown = await response.json().catch(() => null);
    if (!Array.isArray(entries)) throw nonsense(where, "its list of files is not a JSON list");
    for (const entry of entries) {
      if (entry?.type === "file") files.push(readEntry(where, entry));
    }
    page = nextPage(response.headers.get("link"), page);
  }
  const tree = new Map(files.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  if (tree.size !== files.length) throw nonsense(where, "its list of files names one twice");
  return tree;
}

/** An entry of type `file` in a listing, checked. */
export function readEntry(
  where: string,
  entry: { path?: unknown; size?: unknown; oid?: unknown; lfs?: { oid?: unknown } | null },
): [string, TreeFile] {
  const { path, size, oid, lfs } = entry;
  const fault = typeof path === "string" ? pathFault(path) : "it is not a string";
  if (fault !== null) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `${where} lists the path "${printable(String(path))}": ${fault}`,
      "Report this repository.",
    );
  }
  const sha256 = lfs?.oid ?? null;
  const legal = Number.isSafeInteger(size) && (size as number) >= 0 && typeof oid === "string";
  if (
    !legal ||
    (sha256 !== null && !(typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256)))
  ) {
    throw nonsense(where, `the entry of ${path} lacks a size or a hash`);
  }
  return [
    path as string,
    { size: size as number, oid: oid as string, sha256: sha256 as string | null },
  ];
}

/** `Link: <…>; rel="next"` (RFC 8288), against the page it came with. */
function nextPage(link: string | null, page: string): string | null {
  const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
  return next === undefined || !URL.canParse(next, page) ? null : new URL(next, page).href;
}

export function nonsense(where: string, reason: string): OqeError {
  return new OqeError(
    "NETWORK",
    `The Hub's answer about ${where} makes no sense: ${reason}`,
    "Check the Hub endpoint, then run again.",
  );
}
