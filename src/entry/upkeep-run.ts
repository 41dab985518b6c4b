import * as core from "@actions/core";
import { asKnown } from "../ground/errors.ts";
import type { ActionInputs, UpkeepCommand } from "../inputs/action-inputs.ts";
import { parseInputs } from "../inputs/inputs.ts";
import { readModel } from "../series-file/read-model.ts";
import { readSeriesFile } from "../series-file/series-file.ts";
import { checkAccess } from "../upkeep/access.ts";
import { refreshCards } from "../upkeep/cards.ts";
import { checkSeries } from "../upkeep/check.ts";
import { pushCards } from "../upkeep/push-cards.ts";
import { releaseTag } from "../upkeep/release.ts";
import { reportResults } from "../upkeep/report.ts";
import type { UpkeepRequest, UpkeepResult } from "../upkeep/upkeep-types.ts";
import { openDependencies } from "./dependencies.ts";
import { hubAccess } from "./hub-access.ts";
import { writeText } from "./job-summary.ts";
import { type ActionRun, jobSummary } from "./series-run.ts";

const runs: Readonly<Record<UpkeepCommand, (request: UpkeepRequest) => Promise<UpkeepResult>>> = {
  check: checkSeries,
  access: checkAccess,
  cards: refreshCards,
  "push-cards": pushCards,
  release: releaseTag,
  report: reportResults,
};

const tooLarge = "The summary of this run is too large for GitHub. The log has it.\n";

/** `report` tells of a series file that cannot be read; for the others it is a failure. */
async function readFile(command: UpkeepCommand, { seriesFile }: ActionInputs) {
  try {
    return { file: await readSeriesFile(seriesFile), unreadable: null };
  } catch (error) {
    if (command !== "report") throw error;
    return { file: { name: seriesFile.name, models: [] }, unreadable: asKnown(error) };
  }
}

/**
 * A command that works on all models of the series file. Gives whether what was asked for waits for
 * others. Throws its failure.
 */
export async function runUpkeep(
  command: UpkeepCommand,
  { asked, read, occasion, report }: ActionRun,
): Promise<boolean> {
  const { file, unreadable } = await readFile(command, asked);
  const environment = process.env;
  const inputsOf: UpkeepRequest["inputsOf"] = (model) =>
    parseInputs(readModel(model, read), environment);
  const dependencies = openDependencies(
    { ...asked, hubToken: hubAccess(asked, asked) },
    report,
    occasion,
  );
  const request = { ...dependencies, asked, file, unreadable, inputsOf, environment };
  const { outputs, summary, failure, waits = false } = await runs[command](request);
  for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
  if (summary !== "") await writeText(summary, tooLarge, jobSummary);
  if (failure !== null) throw failure;
  return waits;
}
