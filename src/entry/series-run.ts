import * as core from "@actions/core";
import { renderSummary } from "../card/render.ts";
import { costsSoFar, type RunCosts, runWords } from "../card/run-words.ts";
import { describeAction } from "../github/occasion.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { Report } from "../ground/report.ts";
import type { ActionInputs } from "../inputs/action-inputs.ts";
import { type Inputs, parseInputs, type ReadInput, unusedInputs } from "../inputs/inputs.ts";
import { type Published, publishModel } from "../pipeline.ts";
import { gateFailures } from "../series/gate-failures.ts";
import { readModel } from "../series-file/read-model.ts";
import { findModel, readSeriesFile } from "../series-file/series-file.ts";
import { openDependencies } from "./dependencies.ts";
import { hubAccess } from "./hub-access.ts";
import { writeSummary } from "./job-summary.ts";
import { keepResult } from "./run-result.ts";
import { numberStages, stagesOf } from "./stages.ts";

/** Where a summary goes. */
export const jobSummary = {
  write: (text: string) => core.summary.addRaw(text).write(),
  warn: (line: string) => core.warning(line),
} as const;

/** What one run of the Action has. */
export interface ActionRun {
  readonly asked: ActionInputs;
  /** The inputs of the step. */
  readonly read: ReadInput;
  readonly occasion: string;
  /** The tag that started the run; null: none did. */
  readonly tag: string | null;
  /** Whether the run was started by a schedule or a webhook, so that nobody watches it. */
  readonly isUnattended: boolean;
  readonly report: Report;
}

/** Makes one series or a part of it, sets the outputs, writes the summary. Throws the failure. */
export function runSeries(run: ActionRun): Promise<void> {
  return keepResult(run.asked, () => makeSeries(run));
}

async function makeSeries({ asked, read: given, ...run }: ActionRun) {
  const { report, occasion, tag } = run;
  const model = asked.series === null ? null : await findSeries(asked.series, asked);
  const read = model === null ? given : readModel(model, given);
  const inputs = parseInputs(read, process.env);
  const warnings = unusedInputs(read, inputs);
  for (const line of warnings) report.warn(line);
  const numbered = numberStages(report, stagesOf("publish", inputs));
  const { traffic, ...dependencies } = openDependencies(
    { ...inputs, hubToken: hubAccess(asked, inputs) },
    numbered,
    occasion,
  );
  const collection = model?.collection ? model.name : null;
  const announcing = { tag, collection, isWhole: given("tiers").trim() === "" };
  const making = { ...dependencies, keepsBetter: run.isUnattended, announcing };
  const published = await publishModel(inputs, making).finally(() =>
    report.info(runWords(costsSoFar(traffic))),
  );
  const unset = setOutputs(published, inputs);
  await summarize(inputs, published, { warnings, costs: costsSoFar(traffic) });
  const isHub = inputs.baseModel.kind === "hub";
  return { ...published, isHub, failure: published.failure ?? unset };
}

async function findSeries(name: string, { seriesFile }: ActionInputs) {
  return findModel(await readSeriesFile(seriesFile), name);
}

/**
 * Sets the outputs of action.yml. Gives the failure instead of throwing it, so that the caller can
 * write the summary first.
 */
function setOutputs(
  { plan, made, tiers, stopped, paysAhead }: Published,
  { method }: Pick<Inputs, "method">,
): OqeError | null {
  const evaluations = made.map(({ plan: { tier }, evaluation }) => [tier, evaluation]);
  const pending = tiers.filter(({ outcome }) => outcome === "unfinished");
  const outputs = {
    repositories: JSON.stringify(tiers),
    evaluations: JSON.stringify(Object.fromEntries(evaluations)),
    changed: String(tiers.some((tier) => tier.outcome === "published")),
    revision: plan.revision,
    complete: String(stopped === null),
    pending: JSON.stringify(pending.map(({ tier }) => tier)),
    ahead: String(paysAhead),
    staged: JSON.stringify(method === "rounded" ? [] : pending.map(({ tier }) => tier)),
  };
  try {
    for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
    return null;
  } catch (cause) {
    return new OqeError(
      "DISK",
      `the outputs cannot be set: ${reasonOf(cause)}`,
      "The tiers are finished. Check the runner's GITHUB_OUTPUT.",
      cause,
    );
  }
}

function summarize(
  inputs: Inputs,
  { plan, made, tiers, comparisons, expected, announced, stopped }: Published,
  { warnings, costs }: { readonly warnings: readonly string[]; readonly costs: RunCosts },
): Promise<void> {
  const { model, revision } = plan;
  const facts = {
    series: plan.tiers.map(({ modules: _, ...row }) => row),
    base: { id: inputs.baseModel.kind === "hub" ? model : null, name: model, revision },
    repositories: tiers,
    made,
    kept: comparisons.filter(({ isWorse }) => isWorse),
    ...(announced && { announced }),
    dryRun: inputs.dryRun,
    private: inputs.private,
    run: { ...costs, action: describeAction(process.env), expected },
    warnings: [...warnings, ...gateFailures(made), ...(stopped === null ? [] : [stopped.message])],
  };
  return writeSummary(facts, { render: renderSummary, ...jobSummary });
}
