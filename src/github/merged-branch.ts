import type { GitHub } from "./client.ts";

/**
 * Removes a branch of ours whose pull request was merged as it is now, if GitHub did not. What was
 * squashed would look like new commits of people. True if it was there.
 */
export async function removeMerged(github: GitHub, branch: string): Promise<boolean> {
  const { rest, at } = github;
  const verb = {
    what: `remove the merged branch ${branch}`,
    permission: "contents: write",
  } as const;
  return github.settle(verb, async () => {
    const ref = `heads/${branch}`;
    const head = await rest.git.getRef({ ...at, ref }).catch((error) => {
      if (error?.status === 404) return null;
      throw error;
    });
    if (head === null) return false;
    const sought = { ...at, head: `${at.owner}:${branch}`, state: "all" } as const;
    const { data } = await rest.pulls.list({ ...sought, sort: "created", direction: "desc" });
    const [newest] = data;
    const { sha } = head.data.object;
    if (!newest?.merged_at || newest.head.sha !== sha) return false;
    await rest.git.deleteRef({ ...at, ref });
    return true;
  });
}
