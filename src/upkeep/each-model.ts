import { inline } from "../card/markdown.ts";
import { asKnown, OqeError } from "../ground/errors.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { SeriesModel } from "../series-file/series-types.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/**
 * Runs `work` for each model that the run is asked for. Its lines, in Markdown, are the summary. A
 * model that fails is told there and does not stop the others. The failure of the run is the only
 * one, or names all.
 */
export async function forEachModel(
  { asked, file, inputsOf, report }: UpkeepRequest,
  title: string,
  work: (model: SeriesModel, inputs: Inputs) => Promise<readonly string[]>,
): Promise<UpkeepResult> {
  const models = file.models.filter(({ name }) => asked.models?.includes(name) ?? true);
  const lines: string[] = [];
  const failures: { readonly name: string; readonly failure: OqeError }[] = [];
  for (const model of models) {
    const run = () => work(model, inputsOf(model));
    const done = await report.stage(model.name, run).catch((error: unknown) => {
      const failure = asKnown(error);
      failures.push({ name: model.name, failure });
      report.warn(`${model.name}: ${failure.message}`);
      const [reason = ""] = failure.message.split("\n");
      return [`failed: ${inline(reason)} (${failure.code})`];
    });
    lines.push(...done.map((line) => `- **${inline(model.name)}**: ${line}`));
  }
  const summary = lines.length === 0 ? "" : `## ${title}\n\n${lines.join("\n")}\n`;
  return { outputs: {}, summary, failure: failureOf(failures) };
}

function failureOf(
  failures: readonly { readonly name: string; readonly failure: OqeError }[],
): OqeError | null {
  const [first, ...others] = failures;
  if (first === undefined) return null;
  if (others.length === 0) return first.failure;
  const words = failures.map(({ name, failure }) => `${name}: ${failure.message.split("\n")[0]}`);
  const { code, hint } = first.failure;
  return new OqeError(code, `${failures.length} models failed: ${words.join("; ")}`, hint);
}
