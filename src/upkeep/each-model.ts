import { inline } from "../card/markdown.ts";
import { asKnown, OqeError } from "../ground/errors.ts";
import type { Inputs } from "../inputs/inputs.ts";
import { bareEnd, resultOf, writeResult } from "../series/result-file.ts";
import { findModel } from "../series-file/series-file.ts";
import type { SeriesModel } from "../series-file/series-types.ts";
import { tokensOf, type UpkeepRequest, type UpkeepResult } from "./upkeep-types.ts";

/**
 * Runs `work` for each model that the run is asked for. Its lines, in Markdown, are the summary. A
 * model that fails is told there and does not stop the others. The failure of the run is the only
 * one, or names all. A result file in the work folder tells the command `report` of each; that of a
 * run for one model is the entry's.
 */
export async function forEachModel(
  { asked, file, inputsOf, report }: UpkeepRequest,
  title: string,
  work: (model: SeriesModel, inputs: Inputs) => Promise<readonly string[]>,
): Promise<UpkeepResult> {
  const isAsked = ({ name }: SeriesModel) => asked.models?.includes(name) ?? true;
  const models = asked.series ? [findModel(file, asked.series)] : file.models.filter(isAsked);
  const lines: string[] = [];
  const failures: Failed[] = [];
  for (const model of models) {
    const run = () => work(model, inputsOf(model));
    let failure: OqeError | null = null;
    const done = await report.stage(model.name, run).catch((error: unknown) => {
      failure = asKnown(error);
      const where = `${model.place} (${model.name})`;
      failures.push({ where, failure });
      report.warn(`${where}: ${failure.message}`);
      const [reason = ""] = failure.message.split("\n");
      return [`failed: ${inline(reason)} (${failure.code})`];
    });
    const result = { series: model.name, command: asked.command, isHub: true };
    if (asked.series === null)
      await writeResult(asked.workDir, resultOf(result, bareEnd(failure)), tokensOf(asked));
    lines.push(...done.map((line) => `- **${inline(model.name)}**: ${line}`));
  }
  const summary = lines.length === 0 ? "" : `## ${title}\n\n${lines.join("\n")}\n`;
  return { outputs: {}, summary, failure: failureOf(failures) };
}

/** A failure, and where its model is in the series file. */
interface Failed {
  readonly where: string;
  readonly failure: OqeError;
}

function failureOf(failures: readonly Failed[]): OqeError | null {
  const [first, ...others] = failures;
  if (first === undefined) return null;
  const { code, hint, message } = first.failure;
  if (others.length === 0) return new OqeError(code, `${first.where}: ${message}`, hint);
  const words = failures.map(({ where, failure }) => `${where}: ${failure.message.split("\n")[0]}`);
  return new OqeError(code, `${failures.length} models failed: ${words.join("; ")}`, hint);
}
