import { resolve } from "node:path";
import { type seriesCommands, upkeepCommands } from "./command-inputs.ts";
import { type InputValues, inputTable } from "./input-table.ts";
import { parsePlaces, type ReadInput } from "./inputs.ts";

export type Command = InputValues["command"];
export type SeriesCommand = (typeof seriesCommands)[number];
export type UpkeepCommand = (typeof upkeepCommands)[number];

type Environment = Readonly<Record<string, string | undefined>>;

/** What the Action is asked to do, apart from the inputs of a model. Tokens are here only. */
export interface ActionInputs {
  readonly command: Command;
  /** Absolute path of the series file, and its name as the workflow gives it. */
  readonly seriesFile: { readonly path: string; readonly name: string };
  /** Name of a model of the series file; null: the step's own inputs describe the model. */
  readonly series: string | null;
  /** Names of the models that `check` found for this command; null: not known. */
  readonly models: readonly string[] | null;
  /** How the jobs ended that `report` waited for, by their names; null: not known. */
  readonly jobs: InputValues["jobs"];
  readonly hubEndpoint: string;
  readonly hubToken: string | null;
  readonly githubToken: string | null;
  readonly workDir: string;
  readonly dryRun: boolean;
  /** null: one per core. */
  readonly workers: number | null;
}

/** `environment`: see parseInputs; and GITHUB_WORKSPACE, where the series file is. */
export function parseActionInputs(read: ReadInput, environment: Environment): ActionInputs {
  const parse = <N extends keyof InputValues>(name: N): InputValues[N] => {
    const row = inputTable.find((one) => one.name === name)!;
    return row.parse(read(name).trim() || row.default, name) as InputValues[N];
  };
  const seriesFile = parse("series-file");
  return Object.freeze({
    command: parse("command"),
    seriesFile: {
      path: resolve(environment.GITHUB_WORKSPACE || ".", seriesFile),
      name: seriesFile,
    },
    series: parse("series") || null,
    models: parse("models"),
    jobs: parse("jobs"),
    ...parsePlaces(parse, environment),
    githubToken: parse("github-token") || null,
    dryRun: parse("dry-run"),
    workers: parse("workers"),
  });
}

export function isUpkeep(command: Command): command is UpkeepCommand {
  return upkeepCommands.some((name) => name === command);
}
