import { resolve } from "node:path";
import { costsSoFar, runWords } from "../card/run-words.ts";
import { type Paint, paintFor } from "../ground/color.ts";
import { decorate } from "../ground/decoration.ts";
import { exitCodes, OqeError } from "../ground/errors.ts";
import { hasTerminal } from "../ground/live-line.ts";
import { quietReport, type Report, terminalReport } from "../ground/report.ts";
import { choice } from "../inputs/input-kinds.ts";
import { type Inputs, parseInputs, type ReadInput, unusedInputs } from "../inputs/inputs.ts";
import type { Dependencies } from "../pipeline.ts";
import { type CommandLine, type Flags, seeHelp } from "./command-line.ts";
import { type CommandRow, inputFlags } from "./command-table.ts";
import { configName, readConfig } from "./config-file.ts";
import { openDependencies } from "./dependencies.ts";
import { type Environment, Settings, strayVariables, withSavedLogin } from "./settings.ts";
import { numberStages, stagesOf } from "./stages.ts";
import { type KeptPlaces, Stop } from "./stop.ts";

/** One call of a command. */
export interface Call {
  readonly target: string;
  /** All arguments, of a command that takes several. */
  readonly targets: readonly string[];
  readonly flags: Flags;
  readonly inputs: () => Inputs;
  readonly dependencies: (inputs: Inputs) => Dependencies;
  /** Says what the command took, if it is one of stages. */
  readonly sayCosts: () => void;
  /** Prints the result: `value` as JSON with --json, otherwise the text. */
  readonly print: (value: unknown, text: () => string) => Promise<void>;
  readonly write: (text: string) => void;
  readonly report: Report;
  /** For the text of the result. */
  readonly paint: Paint;
  /** Of the terminal that the result goes to; infinite for a pipe or a file. */
  readonly columns: number;
  /** The text of an input, from flag, variable or file. */
  readonly read: ReadInput;
  /** How the user ends the call. */
  readonly stop: Stop;
  /** The environment, with the token that `hf auth login` saved. */
  readonly variables: Environment;
}

/** Where a call comes from, and where its result goes. */
export interface Outlet {
  readonly environment: Environment;
  readonly write: (text: string) => void;
  /** Of the terminal that the result goes to; undefined: it goes to a pipe or a file. */
  readonly columns: number | undefined;
  /** Path of the program, as it was started. */
  readonly script: string;
}

/** Throws BAD_INPUT for a call without its argument, or with wrong inputs. */
export async function openCall(
  { command, positionals, flags }: CommandLine,
  argv: readonly string[],
  { environment, write, columns, script }: Outlet,
): Promise<Call> {
  const loud = terminalReport(
    undefined,
    undefined,
    paintFor(environment, hasTerminal(environment)),
  );
  const report = flags.quiet === true ? quietReport(loud) : loud;
  const end = () => process.exit(exitCodes.stopped);
  const tell = (text: string) => process.stderr.write(text);
  const stop = new Stop({ command: command.name, argv, script }, { report, write: tell, end });
  const takesInputs = inputFlags(command).length > 0;
  const settings = takesInputs ? await readSettings(command, flags, environment) : null;
  const known = settings?.read("base-model") ?? "";
  const target = targetOf(command, positionals, command.argument === "<model>" ? known : "");
  const read: ReadInput = (input) => {
    if (input === "command") return commandUntil(flags.until);
    if (input !== "base-model") return settings?.read(input) ?? "";
    return String(flags.base || target);
  };
  const variables = takesInputs ? await withSavedLogin(environment, read) : environment;
  let sayCosts = () => {};
  return {
    target,
    targets: positionals,
    flags,
    inputs: () => {
      settings?.check();
      try {
        const inputs = parseInputs(read, variables);
        for (const line of unusedInputs(read, inputs)) report.warn(line);
        return inputs;
      } catch (error) {
        throw settings?.explain(error) ?? error;
      }
    },
    dependencies: (inputs) => {
      const stages = stagesOf(command.name, inputs, flags.measure === true);
      const watched = stop.watch(numberStages(report, stages));
      const { traffic, ...rest } = openDependencies(inputs, watched, "");
      if (stages.length > 0) sayCosts = () => report.info(runWords(costsSoFar(traffic)));
      stop.keeps(placesOf(command, inputs, flags));
      return { ...rest, isStopped: () => stop.isAsked };
    },
    sayCosts: () => sayCosts(),
    print: async (value, makeText) => {
      const json = () => JSON.stringify(value, null, 2);
      if (flags.json === true) return write(`${json()}\n`);
      // An error in a table must not lose hours of work.
      const decoration = { what: "the table", make: makeText, placeholder: json() };
      write(`${await decorate(report, decoration)}\n`);
    },
    write,
    report,
    paint: paintFor(environment, columns !== undefined),
    columns: columns ?? Number.POSITIVE_INFINITY,
    read,
    stop,
    variables,
  };

  /** Reads file and variables, and warns of variables that nothing reads. */
  async function readSettings(row: CommandRow, given: Flags, from: Environment) {
    const path = String(given.config ?? from.OQE_CONFIG ?? "");
    if (given.config === "")
      throw new OqeError("BAD_INPUT", "--config names no file", `Leave it out for ${configName}.`);
    const file = await readConfig(path === "" ? null : path);
    for (const line of strayVariables(from)) report.warn(line);
    const texts = Object.entries(given).map(([name, value]) => [name, String(value)] as const);
    return new Settings(row, { flags: new Map(texts), environment: from, file });
  }
}

/** Where a run keeps its work. */
function placesOf({ name }: CommandRow, inputs: Inputs, { out }: Flags): KeptPlaces {
  const { workDir, method, dryRun } = inputs;
  const isTuned = method === "tuned";
  return {
    ...{ workDir, isTuned },
    folder: name === "quantize" ? resolve(String(out)) : workDir,
    isStaged: name === "publish" && isTuned && !dryRun,
  };
}

/** The argument. `known`: what stands for it if there is none. */
function targetOf(command: CommandRow, positionals: readonly string[], known: string): string {
  const { name, argument, isMany, usual, words } = command;
  const [given, ...others] = positionals;
  const more = isMany ? [] : others;
  const target = given ?? usual ?? (known === "" ? undefined : known);
  if (target === undefined || more.length > 0) {
    const got = target === undefined ? "none" : [target, ...more].join(" ");
    const or = argument === "<model>" ? ` Or set base-model in ${configName}.` : "";
    throw new OqeError(
      "BAD_INPUT",
      `oqe ${name} takes ${isMany ? "a folder or more" : "one argument"}, got ${got}`,
      seeHelp(name) + (target === undefined ? or : ""),
    );
  }
  if ([target, ...others].includes("") && /folder/.test(argument) && !/repo/.test(argument))
    throw new OqeError("BAD_INPUT", `oqe ${name} needs a folder, got ""`, seeHelp(name));
  if (words !== undefined) choice(...words).parse(target, argument.replace(/[<>]/g, ""));
  return target;
}

/** The command of the Action that goes as far as `--until` says. */
function commandUntil(until: Flags[string] = "published"): string {
  const stops = {
    ...{ measured: "measure", ahead: "tune-ahead", staged: "tune", published: "publish" },
  };
  const kinds = choice("measured", "ahead", "staged", "published");
  return stops[kinds.parse(String(until), "until")];
}
