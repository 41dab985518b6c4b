import { OqeError } from "../ground/errors.ts";
import type { GitHub } from "./client.ts";

export interface Start {
  /** Name of the workflow's file: `oqe.yml`. */
  readonly workflow: string;
  /** `refs/heads/main` or `refs/tags/v1.0.0`. */
  readonly ref: string;
  /** Commit that this run works on. */
  readonly commit: string;
}

/** Most runs of one commit within `days` that are started this way or by hand. */
export const mostStarts = { runs: 20, days: 14 } as const;

/**
 * Starts a workflow again at the ref of this run. GitHub starts no run for what a job's token does,
 * but for this. False: so many runs of this commit were started that another one would hardly help.
 * Throws as `settle` does.
 */
export function startAgain(github: GitHub, { workflow, ref, commit }: Start): Promise<boolean> {
  const verb = { what: `start ${workflow} again`, permission: "actions: write" } as const;
  const asked = { ...github.at, workflow_id: workflow };
  const since = new Date(Date.now() - mostStarts.days * 86_400_000).toISOString().slice(0, 10);
  return github.settle(verb, async () => {
    const { data } = await github.rest.actions.listWorkflowRuns({
      ...{ ...asked, event: "workflow_dispatch", created: `>=${since}` },
      ...{ head_sha: await commitOf(github, ref, commit), per_page: 1 },
    });
    if (data.total_count >= mostStarts.runs) return false;
    const name = ref.replace(/^refs\/(heads|tags)\//, "");
    await github.rest.actions.createWorkflowDispatch({ ...asked, ref: name });
    return true;
  });
}

/** GITHUB_SHA of an annotated tag may name the tag; runs are listed by commit. */
export async function commitOf(github: GitHub, ref: string, commit: string): Promise<string> {
  const [, tag] = /^refs\/tags\/(.+)$/.exec(ref) ?? [];
  if (tag === undefined) return commit;
  const { data } = await github.rest.repos.getCommit({ ...github.at, ref: `tags/${tag}` });
  return data.sha;
}

/** The workflow's file in GITHUB_WORKFLOW_REF. Throws BAD_INPUT. */
export function workflowFile(reference: string | undefined): string {
  const [, file] = /\/\.github\/workflows\/([^/@]+\.ya?ml)@/.exec(reference ?? "") ?? [];
  if (file !== undefined) return file;
  throw new OqeError(
    "BAD_INPUT",
    "this run does not say which workflow it belongs to",
    "GITHUB_WORKFLOW_REF names it; a runner sets that.",
  );
}
