import { dateOf, sha256Of } from "./history.ts";
import type { StoredRepo } from "./stored-repo.ts";

/** Where the Hub tells what happened to repositories. */
export interface Webhook {
  readonly url: string;
  /** Sent as it is in `X-Webhook-Secret`. */
  readonly secret?: string;
  /** Ids of repositories, or namespaces. */
  readonly watched: readonly string[];
}

/** A ref of a repository that moved; null: it was not there, or is gone. */
export interface MovedRef {
  readonly ref: string;
  readonly oldSha: string | null;
  readonly newSha: string | null;
}

/** All refs of a repository. */
export function refsOf({ state }: StoredRepo): ReadonlyMap<string, string> {
  const { branches, tags, discussions } = state;
  const pulls = discussions.flatMap(({ num, head }) =>
    head === null ? [] : [[`refs/pr/${num}`, head] as const],
  );
  return new Map([
    ...Object.entries(branches).map(([name, id]) => [`refs/heads/${name}`, id] as const),
    ...Object.entries(tags).map(([name, { commit }]) => [`refs/tags/${name}`, commit] as const),
    ...pulls,
  ]);
}

export function movedRefs(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): MovedRef[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((ref) => before.get(ref) !== after.get(ref))
    .map((ref) => ({ ref, oldSha: before.get(ref) ?? null, newSha: after.get(ref) ?? null }));
}

/**
 * Tells all webhooks that watch the repository. A receiver that fails is not asked again, and does
 * no harm to the request that moved the refs.
 */
export async function notify(
  webhooks: readonly Webhook[],
  repo: StoredRepo,
  { moved, origin }: { readonly moved: readonly MovedRef[]; readonly origin: string },
): Promise<void> {
  if (moved.length === 0) return;
  const head = repo.resolve("main");
  const id = (text: string) => sha256Of(text).slice(0, 24);
  const body = {
    event: { action: "update", scope: "repo.content" },
    repo: {
      type: repo.isDataset ? "dataset" : "model",
      name: repo.apiId,
      id: id(repo.id),
      private: repo.state.private,
      url: { web: `${origin}/${repo.id}`, api: `${origin}/api/models/${repo.apiId}` },
      ...(head && { headSha: head.id, lastModified: dateOf(head) }),
      owner: { id: id(repo.namespace) },
    },
    updatedRefs: moved,
  };
  const watching = webhooks.filter(({ watched }) =>
    [repo.apiId, repo.namespace].some((name) => watched.includes(name)),
  );
  for (const { url, secret } of watching) {
    const webhook = { id: id(url), version: 3 };
    await fetch(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        ...(secret === undefined ? {} : { "X-Webhook-Secret": secret }),
      },
      body: JSON.stringify({ ...body, webhook }),
    }).then(
      (answer) => answer.body?.cancel(),
      () => {},
    );
  }
}
