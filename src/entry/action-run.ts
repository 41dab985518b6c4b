import * as core from "@actions/core";
import { describeOccasion, isUnattended, readOccasion, tagOf } from "../github/occasion.ts";
import { actionsReport } from "../ground/report.ts";
import { isUpkeep, parseActionInputs } from "../inputs/action-inputs.ts";
import type { InputName } from "../inputs/input-table.ts";
import { keepUpkeep } from "./run-result.ts";
import { runSeries } from "./series-run.ts";
import { runUpkeep } from "./upkeep-run.ts";

/** One run of the Action: inputs → command → outputs and job summary. Throws the failure. */
export async function runAction(): Promise<void> {
  const read = (name: InputName) => core.getInput(name);
  const asked = parseActionInputs(read, process.env);
  for (const token of [asked.hubToken, asked.githubToken])
    if (token !== null) core.setSecret(token);
  const event = await readOccasion();
  const occasion = describeOccasion(event, process.env.GITHUB_REPOSITORY);
  const run = {
    ...{ asked, read, occasion, tag: tagOf(event), report: actionsReport() },
    isUnattended: isUnattended(process.env),
  };
  const { command } = asked;
  if (!isUpkeep(command)) return runSeries(run);
  return keepUpkeep(asked, () => runUpkeep(command, run));
}
