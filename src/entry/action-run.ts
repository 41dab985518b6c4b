import * as core from "@actions/core";
import { describeOccasion, readOccasion } from "../github/occasion.ts";
import { actionsReport } from "../ground/report.ts";
import { isUpkeep, parseActionInputs } from "../inputs/action-inputs.ts";
import type { InputName } from "../inputs/input-table.ts";
import { runSeries } from "./series-run.ts";
import { runUpkeep } from "./upkeep-run.ts";

/** One run of the Action: inputs → command → outputs and job summary. Throws the failure. */
export async function runAction(): Promise<void> {
  const read = (name: InputName) => core.getInput(name);
  const asked = parseActionInputs(read, process.env);
  for (const token of [asked.hubToken, asked.githubToken])
    if (token !== null) core.setSecret(token);
  const occasion = describeOccasion(await readOccasion(), process.env.GITHUB_REPOSITORY);
  const run = { asked, read, occasion, report: actionsReport() };
  const { command } = asked;
  return isUpkeep(command) ? runUpkeep(command, run) : runSeries(run);
}
