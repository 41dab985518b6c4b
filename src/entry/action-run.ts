import * as core from "@actions/core";
import { renderSummary } from "../card/render.ts";
import type { SummaryFacts } from "../card/summary.ts";
import { describeAction, describeOccasion } from "../github/occasion.ts";
import { actionsReport } from "../ground/report.ts";
import type { InputName } from "../inputs/input-table.ts";
import { parseInputs, unusedInputs } from "../inputs/inputs.ts";
import { publishModel } from "../pipeline.ts";
import { gateFailures } from "../series/publish.ts";
import { openDependencies } from "./commands.ts";

/** One run of the Action: inputs → publish → outputs and job summary. */
export async function runAction(): Promise<void> {
  const read = (name: InputName) => core.getInput(name);
  const inputs = parseInputs(read, process.env);
  if (inputs.hubToken !== null) core.setSecret(inputs.hubToken);
  const report = actionsReport();
  const warnings = unusedInputs(read, inputs);
  for (const line of warnings) report.warn(line);
  const { plan, made, tiers, failure } = await publishModel(
    inputs,
    openDependencies(inputs, report, describeOccasion()),
  );
  core.setOutput("repositories", JSON.stringify(tiers));
  core.setOutput(
    "evaluations",
    JSON.stringify(
      Object.fromEntries(made.map(({ plan: { tier }, evaluation }) => [tier, evaluation])),
    ),
  );
  core.setOutput("changed", String(tiers.some((tier) => tier.outcome === "published")));
  core.setOutput("revision", plan.revision);
  const series = plan.tiers.map(({ modules: _, ...row }) => row);
  const base = {
    id: inputs.baseModel.kind === "hub" ? plan.model : null,
    name: plan.model,
    revision: plan.revision,
  };
  await writeSummary({
    series,
    base,
    repositories: tiers,
    made,
    dryRun: inputs.dryRun,
    private: inputs.private,
    run: {
      seconds: performance.now() / 1000,
      peakBytes: 1024 * process.resourceUsage().maxRSS,
      action: describeAction(),
    },
    warnings: [...warnings, ...gateFailures(made)],
  });
  if (failure !== null) throw failure;
}

/** What is published is published: a summary that cannot be written is a warning, never a failed job. */
async function writeSummary(facts: SummaryFacts): Promise<void> {
  try {
    await core.summary.addRaw(await renderSummary(facts)).write();
  } catch (error) {
    core.warning(`the job summary could not be written: ${(error as Error).message}`);
  }
}
