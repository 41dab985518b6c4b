import type { IncomingMessage } from "node:http";
import type { LocalHubUser, UserTable } from "./auth.ts";
import type { CollectionStore } from "./collection-store.ts";
import { refuse } from "./errors.ts";
import type { Commit } from "./history.ts";
import type { Storage } from "./storage.ts";
import type { Store } from "./store.ts";
import type { StoredRepo } from "./stored-repo.ts";
import type { TrustedPublishers } from "./trusted-publishers.ts";

/** Values that all requests share. */
export interface HubState {
  readonly store: Store;
  readonly collections: CollectionStore;
  readonly storage: Storage;
  readonly users: UserTable;
  readonly publishers: TrustedPublishers;
  readonly gated: Record<string, string[]>;
  /** Size in bytes from which binary files go to LFS. */
  readonly lfsThreshold: number;
  /** Most entries of a listing page. */
  readonly pageSize: number;
}

/** One request to the Hub's own origin, after routing and the checks that its route asks for. */
export interface Context {
  readonly hub: HubState;
  readonly request: IncomingMessage;
  readonly user: LocalHubUser | null;
  /** The origin that the client used, for links. */
  readonly origin: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly params: Readonly<Record<string, string>>;
  /** Decoded segments that match the trailing `*` of the route. */
  readonly rest: readonly string[];
}

/** A context with a repository that exists and that the user may see. */
export interface RepoContext extends Context {
  readonly repo: StoredRepo;
}

export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw refuse.badRequest("The URL has a malformed percent escape");
  }
}

export function resolveRevision(repo: StoredRepo, revision: string): Commit {
  const commit = repo.resolve(revision);
  if (!commit) throw refuse.noRevision(revision);
  return commit;
}

/**
 * Splits `revision/path`. The revision is one segment (`refs%2Fpr%2F1`), or several from clients
 * that do not escape it: the shortest prefix that names a commit.
 */
export function splitRevision(
  repo: StoredRepo,
  rest: readonly string[],
): { commit: Commit; revision: string; path: string } {
  for (let length = 1; length <= rest.length; length++) {
    const revision = rest.slice(0, length).join("/");
    const commit = repo.resolve(revision);
    if (commit) return { commit, revision, path: rest.slice(length).join("/") };
  }
  throw refuse.noRevision(rest[0] === "refs" ? rest.slice(0, 3).join("/") : (rest[0] ?? ""));
}

/** One page of `items` after the query's cursor, with the `Link` header to the next one. */
export function page<T>(
  context: Context,
  items: readonly T[],
  key: (item: T) => string,
  most: number,
) {
  const asked = Number(context.query.get("limit") ?? most);
  const size = Number.isInteger(asked) && asked > 0 ? Math.min(asked, most) : most;
  const cursor = context.query.get("cursor");
  const after =
    cursor === null
      ? -1
      : items.findIndex((item) => key(item) === Buffer.from(cursor, "base64url").toString());
  if (cursor !== null && after === -1) throw refuse.badRequest("Invalid cursor");
  const shown = items.slice(after + 1, after + 1 + size);
  if (after + 1 + size >= items.length) return { shown, headers: {} };
  const next = new URLSearchParams(context.query);
  next.set("cursor", Buffer.from(key(shown.at(-1)!)).toString("base64url"));
  return { shown, headers: { Link: `<${context.origin}${context.path}?${next}>; rel="next"` } };
}
