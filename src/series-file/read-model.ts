import { OqeError } from "../ground/errors.ts";
import type { InputRow } from "../inputs/input-row.ts";
import { type InputName, inputTable } from "../inputs/input-table.ts";
import type { ReadInput } from "../inputs/inputs.ts";
import type { SeriesModel } from "./series-types.ts";

/** Inputs that narrow a run on a model of the series file. */
const narrowing: readonly InputName[] = ["tiers", "revision"];
/** The commands of model.yml, which gives its jobs `timeout-minutes`. */
const jobCommands = ["measure", "tune-ahead", "tune", "seal"];
/** Minutes of a job beside the run: to set up, and to save what is finished. */
const setAside = 20;

/** GitHub would end the job at its timeout in the middle of a block. A short job keeps half. */
function limitOf({ timeoutMinutes }: Pick<SeriesModel, "timeoutMinutes">): string {
  return `${Math.max(timeoutMinutes - setAside, Math.ceil(timeoutMinutes / 2))}m`;
}

/**
 * The inputs of a model: those that describe it from the file, the others from the step. A job of
 * model.yml has a time limit, also if the file gives none. Throws BAD_INPUT for an input of the
 * step that would change the model.
 */
export function readModel(model: SeriesModel, read: ReadInput): ReadInput {
  const { name, place, inputs } = model;
  const rows: readonly (InputRow & { readonly name: InputName })[] = inputTable;
  const own = rows.filter((row) => row.workflow === undefined);
  const given = (row: InputRow & { readonly name: InputName }) => {
    const text = read(row.name).trim();
    return text !== "" && text !== row.default;
  };
  const refused = own.find((row) => !narrowing.includes(row.name) && given(row));
  if (refused !== undefined) {
    throw new OqeError(
      "BAD_INPUT",
      `${refused.name} is given beside series "${name}", whose inputs are at ${place}`,
      `Leave the input out, and set ${refused.name} there.`,
    );
  }
  const isNarrowed = read("tiers").trim() !== "";
  const isJob = jobCommands.includes(read("command").trim().toLowerCase());
  return (input) => {
    if (!own.some((row) => row.name === input)) return read(input);
    if (isNarrowed && (input === "target-bpw" || input === "target-size")) return "";
    if (isJob && input === "time-limit") return inputs[input] || limitOf(model);
    const narrowed = narrowing.includes(input) ? read(input).trim() : "";
    return narrowed || (inputs[input] ?? "");
  };
}
