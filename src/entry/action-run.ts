import * as core from "@actions/core";
import { renderSummary } from "../card/render.ts";
import { costsSoFar, type RunCosts, runWords } from "../card/run-words.ts";
import { describeAction, describeOccasion, readOccasion } from "../github/occasion.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { actionsReport } from "../ground/report.ts";
import type { InputName } from "../inputs/input-table.ts";
import { type Inputs, parseInputs, unusedInputs } from "../inputs/inputs.ts";
import { type Published, publishModel } from "../pipeline.ts";
import { gateFailures } from "../series/gate-failures.ts";
import { openDependencies } from "./commands.ts";
import { writeSummary } from "./job-summary.ts";
import { numberStages, stagesOf } from "./stages.ts";

/** One run of the Action: inputs → publish → outputs and job summary. Throws the failure. */
export async function runAction(): Promise<void> {
  const read = (name: InputName) => core.getInput(name);
  const inputs = parseInputs(read, process.env);
  if (inputs.hubToken !== null) core.setSecret(inputs.hubToken);
  const report = actionsReport();
  const warnings = unusedInputs(read, inputs);
  for (const line of warnings) report.warn(line);
  const occasion = describeOccasion(await readOccasion(), process.env.GITHUB_REPOSITORY);
  const numbered = numberStages(report, stagesOf("publish", inputs));
  const { traffic, ...dependencies } = openDependencies(inputs, numbered, occasion);
  const published = await publishModel(inputs, dependencies).finally(() =>
    report.info(runWords(costsSoFar(traffic))),
  );
  const unset = setOutputs(published);
  await summarize(inputs, published, { warnings, costs: costsSoFar(traffic) });
  const failure = published.failure ?? unset;
  if (failure !== null) throw failure;
}

/**
 * Sets the outputs of action.yml. Gives the failure instead of throwing it, so that the caller can
 * write the summary first.
 */
function setOutputs({ plan, made, tiers, stopped }: Published): OqeError | null {
  const evaluations = made.map(({ plan: { tier }, evaluation }) => [tier, evaluation]);
  const pending = tiers.filter(({ outcome }) => outcome === "unfinished");
  const outputs = {
    repositories: JSON.stringify(tiers),
    evaluations: JSON.stringify(Object.fromEntries(evaluations)),
    changed: String(tiers.some((tier) => tier.outcome === "published")),
    revision: plan.revision,
    complete: String(stopped === null),
    pending: JSON.stringify(pending.map(({ tier }) => tier)),
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
  { plan, made, tiers, expected, stopped }: Published,
  { warnings, costs }: { readonly warnings: readonly string[]; readonly costs: RunCosts },
): Promise<void> {
  const { model, revision } = plan;
  const facts = {
    series: plan.tiers.map(({ modules: _, ...row }) => row),
    base: { id: inputs.baseModel.kind === "hub" ? model : null, name: model, revision },
    repositories: tiers,
    made,
    dryRun: inputs.dryRun,
    private: inputs.private,
    run: { ...costs, action: describeAction(process.env), expected },
    warnings: [...warnings, ...gateFailures(made), ...(stopped === null ? [] : [stopped.message])],
  };
  return writeSummary(facts, {
    render: renderSummary,
    write: (text) => core.summary.addRaw(text).write(),
    warn: (line) => core.warning(line),
  });
}
