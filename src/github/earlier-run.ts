import type { GitHub } from "./client.ts";

/**
 * The newest run of this repository that left an artifact of this name; null if there is none. Runs
 * of a fork's pull request do not count: anyone can put anything into their artifacts.
 */
export function findEarlierRun(github: GitHub, artifact: string): Promise<number | null> {
  const { rest, at, settle } = github;
  const verb = { what: `look for the artifact ${artifact}`, permission: "actions: read" } as const;
  return settle(verb, async () => {
    const { data } = await rest.actions.listArtifactsForRepo({
      ...at,
      ...{ name: artifact, per_page: 30 },
    });
    const usable = data.artifacts.flatMap(({ name, expired, created_at, workflow_run: run }) => {
      const isOwn = run?.head_repository_id != null && run.head_repository_id === run.repository_id;
      if (name !== artifact || expired || !isOwn || run.id === undefined) return [];
      return [{ id: run.id, at: created_at ?? "" }];
    });
    return usable.sort((a, b) => (a.at < b.at ? 1 : -1))[0]?.id ?? null;
  });
}
