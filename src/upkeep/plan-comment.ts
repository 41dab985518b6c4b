import { code } from "../card/markdown.ts";
import { upsertComment } from "../github/comment.ts";
import type { GitHubEvent } from "../github/event.ts";
import { marker } from "../github/sealed-text.ts";
import type { SeriesFile } from "../series-file/series-types.ts";
import type { Checked } from "./check-models.ts";
import { planTable } from "./check-tables.ts";
import { openRepository } from "./report.ts";
import type { UpkeepRequest } from "./upkeep-types.ts";

type PullRequest = Extract<GitHubEvent, { readonly kind: "pull_request" }>;

interface Plan {
  readonly file: SeriesFile;
  /** Empty if the pull request leaves the series file as it is. */
  readonly checked: readonly Checked[];
  /** What was found about changed cards and the calling workflow, in Markdown; may be empty. */
  readonly others: readonly string[];
}

/**
 * Makes or updates the one comment on a pull request that says what merging it would make. A token
 * of a fork's pull request can only read: there the job summary has to do.
 */
export async function commentPlan(
  { number, isFork }: PullRequest,
  { file: { name }, checked, others }: Plan,
  request: UpkeepRequest,
): Promise<void> {
  if (isFork) {
    request.report.info("the plan is in the summary of this job: a fork's token cannot comment");
    return;
  }
  const github = await openRepository(request);
  const parts = [checked.length === 0 ? "" : planText(name, checked), ...others];
  const body = parts.filter((part) => part !== "").join("\n");
  const { outcome, url } = await upsertComment(github, number, marker("plan", name), body);
  request.report.info(`the comment with the plan: ${outcome}, ${url}`);
}

/** The same text for the same plan, so that it is written once. */
export function planText(file: string, checked: readonly Checked[]): string {
  const table = planTable(checked);
  const nothing = "Every tier is current: merging this makes nothing.\n";
  const isNothing = checked.every(
    ({ look, failure }) =>
      failure === null &&
      look?.tiers.every(({ pending, isCardStale }) => pending.length === 0 && !isCardStale),
  );
  return `### What ${code(file)} would make\n\n${isNothing ? nothing : table}`;
}
