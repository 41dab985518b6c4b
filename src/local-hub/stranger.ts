import { makeCommit, sortTree } from "./history.ts";
import type { Store } from "./store.ts";

/** A file that somebody else commits. */
export const strangersFile = "somebody-elses.txt";

/**
 * Lets somebody else commit to the branch that a request with this address is about to commit to,
 * so that the request comes too late.
 */
export async function commitAsStranger(store: Store, url: string): Promise<void> {
  const found = /^\/api\/models\/([^/]+\/[^/]+)\/commit\/([^/?]+)/.exec(url);
  const repo = store.get(found?.[1] ?? "");
  const branch = decodeURIComponent(found?.[2] ?? "");
  if (!repo) return;
  await store.change(repo.id, async () => {
    const head = repo.resolve(branch);
    if (!head || !Object.hasOwn(repo.state.branches, branch)) return;
    const added = await repo.addRegular(Buffer.from(`after ${head.id}\n`));
    const tree = sortTree([...head.tree, [strangersFile, added]]);
    const commit = makeCommit([head], tree, { title: "Somebody else's", author: "stranger" });
    await repo.addCommit(commit);
    const branches = { ...repo.state.branches, [branch]: commit.id };
    await repo.setState({ ...repo.state, branches });
  });
}
