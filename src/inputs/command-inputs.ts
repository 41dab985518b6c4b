import { OqeError } from "../ground/errors.ts";
import { choice, parsed, plain } from "./input-kinds.ts";
import type { InputRow } from "./input-row.ts";

/** Commands that make one series, or a part of it. */
export const seriesCommands = ["publish", "measure", "tune-ahead", "tune", "seal"] as const;
/** Commands that work on all models of the series file. */
export const upkeepCommands = [
  "check",
  "access",
  "cards",
  "push-cards",
  "release",
  "report",
] as const;

/** A JSON value; undefined for what is none. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The names in a JSON list of models; null for an empty text. Throws BAD_INPUT. */
function modelNames(text: string, input: string): readonly string[] | null {
  if (text === "") return null;
  const fault = () =>
    new OqeError(
      "BAD_INPUT",
      `${input}: this is no JSON list of models`,
      "Pass the output of check on, as the shipped series.yml does.",
    );
  const list = readJson(text);
  if (!Array.isArray(list)) throw fault();
  return list.map((one: unknown) => {
    const name = typeof one === "string" ? one : (one as { name?: unknown } | null)?.name;
    if (typeof name !== "string") throw fault();
    return name;
  });
}

/** How jobs ended, by their names; null for an empty text. Throws BAD_INPUT. */
function jobResults(text: string, input: string): Readonly<Record<string, string>> | null {
  if (text === "") return null;
  const value = readJson(text);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const jobs = Object.entries(isObject ? value : {});
  const told = jobs.flatMap(([name, result]: [string, unknown]) =>
    typeof result === "string" ? [[name, result] as const] : [],
  );
  if (told.length > 0 && told.length === jobs.length) return Object.fromEntries(told);
  throw new OqeError(
    "BAD_INPUT",
    `${input}: this is no JSON object with the results of jobs`,
    `Pass {"cards": "\${{ needs.cards.result }}"} on, as the shipped series.yml does.`,
  );
}

/** Inputs of the Action alone: what it does, and for which models of the series file. */
export const commandInputs = [
  {
    name: "command",
    group: "Command",
    workflow: true,
    commands: [],
    default: "publish",
    ...choice(...seriesCommands, ...upkeepCommands),
    doc:
      "What the run does. `publish` makes and publishes one series. Jobs can share it: " +
      "`measure` leaves the sensitivity in the work folder, `tune` leaves finished tiers on the " +
      "staging branches, `tune-ahead` makes parts that the jobs `tune` take over, `seal` " +
      "publishes. The others work on all models of the series file: " +
      "`check` finds what is to be made, `access` whether the token may write it; `cards`, " +
      "`release` and `report` keep card pull requests, GitHub releases and issues up to date; " +
      "`push-cards` sends merged cards to the Hub",
  },
  {
    name: "series-file",
    group: "Command",
    workflow: true,
    commands: [],
    default: "series.yml",
    example: "series.yml",
    ...plain("<file>"),
    doc: "The series file: models and their options, in the folder that the workflow checked out",
  },
  {
    name: "series",
    group: "Command",
    workflow: true,
    commands: [],
    default: "",
    example: "Qwen3-1.7B",
    ...plain("<name>"),
    doc:
      "Name of one model of the series file. `publish`, `measure`, `tune`, `tune-ahead` and `seal` then " +
      "take all inputs of the model from there; only `tiers` and `revision` may be given beside it, to " +
      "narrow the run. Empty means the inputs of the step",
  },
  {
    name: "models",
    group: "Command",
    workflow: true,
    commands: [],
    default: "",
    ...parsed("<json>", modelNames),
    doc:
      "What `check` found for this command, as its output has it: JSON list of models or of their " +
      "names. Empty means that it is not known, because `check` did not run or failed",
  },
  {
    name: "jobs",
    group: "Command",
    workflow: true,
    commands: [],
    default: "",
    ...parsed("<json>", jobResults),
    doc:
      "Of `report`: how the jobs `cards`, `push-cards` and `release` ended, as a JSON object of " +
      "their results. So it tells of a job that was lost before it could leave a result file. Empty " +
      "means that only result files count",
  },
  {
    name: "github-token",
    group: "Command",
    workflow: true,
    commands: [],
    default: "",
    expression: `\${{ github.token }}`,
    ...plain("<token>"),
    doc:
      "GitHub token for comments, card pull requests, releases and issues. Pull requests of the " +
      "default one start no workflows; those of a GitHub App's or a personal token do. It is " +
      "never logged",
  },
] as const satisfies readonly InputRow[];
