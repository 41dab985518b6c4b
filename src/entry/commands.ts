import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { costsSoFar, runWords } from "../card/run-words.ts";
import { decorate } from "../ground/decoration.ts";
import { onDisk, tryFile } from "../ground/disk.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import { type Report, terminalReport } from "../ground/report.ts";
import { didYouMean } from "../ground/suggestion.ts";
import { connectHub, type HubOptions } from "../hub/client.ts";
import { newTraffic, type Traffic } from "../hub/traffic.ts";
import { choice, wholeNumber } from "../inputs/input-kinds.ts";
import type { InputName } from "../inputs/input-table.ts";
import { parseModel } from "../inputs/input-values.ts";
import { type Inputs, parseInputs, unusedInputs } from "../inputs/inputs.ts";
import { openKernel } from "../kernel/pool.ts";
import { startLocalHub } from "../local-hub/local-hub.ts";
import {
  type Dependencies,
  measureModel,
  planModel,
  publishModel,
  quantizeModel,
} from "../pipeline.ts";
import { explainPlan } from "../plan/explain.ts";
import { writeSensitivity } from "../sensitivity/sensitivity-file.ts";
import { rewriteCard } from "../series/card-files.ts";
import { verify } from "../series/verify.ts";
import { formatEvaluation } from "./evaluation-table.ts";
import {
  type CommandName,
  commandTable,
  type Flags,
  parseFlags,
  refuseStrayFlags,
  seeHelp,
} from "./flags.ts";
import { commandHelp, overview } from "./help.ts";
import { describeFirstFiles, writeFirstFiles } from "./init.ts";
import { formatExplanation, formatPlan, formatUnquantized } from "./plan-table.ts";
import { numberStages, stagesOf } from "./stages.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** One call of a command. */
interface Call {
  readonly target: string;
  readonly flags: Flags;
  readonly inputs: () => Inputs;
  readonly dependencies: (inputs: Inputs) => Dependencies;
  /** Says what the command took, if it is one of stages. */
  readonly sayCosts: () => void;
  /** Prints the result: `value` as JSON with --json, otherwise the text. */
  readonly print: (value: unknown, text: () => string) => Promise<void>;
  readonly write: (text: string) => void;
  readonly report: Report;
}

const runs: Readonly<Record<CommandName, (call: Call) => Promise<void>>> = {
  plan,
  sensitivity: measure,
  quantize,
  publish,
  verify: verifyTarget,
  card,
  init,
  hub,
};

/**
 * Runs one command line. The result goes to `write` (stdout), everything else to stderr.
 * Throws OqeError.
 */
export async function runCommand(
  argv: readonly string[],
  environment: Environment,
  write: (text: string) => void,
): Promise<void> {
  const { flags, positionals } = parseFlags(argv);
  const [name, given, ...more] = positionals;
  if (flags.version === true) return write(`${engine.version}\n`);
  if (name === undefined || name === "help") return write(overview());
  const command = commandTable.find((row) => row.name === name);
  if (command === undefined)
    throw new OqeError("BAD_INPUT", `"${name}" is not a command`, nearCommand(name) + seeHelp());
  if (flags.help === true) return write(commandHelp(command));
  const target = given ?? command.usual;
  if (target === undefined || more.length > 0) {
    const got = target === undefined ? "none" : [target, ...more].join(" ");
    throw new OqeError("BAD_INPUT", `oqe ${name} takes one argument, got ${got}`, seeHelp(name));
  }
  refuseStrayFlags(command, flags);
  if (target === "" && ["card", "hub", "init"].includes(command.name))
    throw new OqeError("BAD_INPUT", `oqe ${name} needs a folder, got ""`, seeHelp(name));
  const call = openCall(target, flags, { command: command.name, environment, write });
  await runs[command.name](call).finally(call.sayCosts);
}

function nearCommand(name: string): string {
  const names = commandTable.map((row) => row.name);
  return didYouMean(name, names, (word) => `oqe ${word}`);
}

interface CallOptions {
  readonly command: CommandName;
  readonly environment: Environment;
  readonly write: (text: string) => void;
}

function openCall(
  target: string,
  flags: Flags,
  { command, environment, write }: CallOptions,
): Call {
  const report = terminalReport();
  let sayCosts = () => {};
  const read = (input: InputName) => {
    if (input === "command") return commandUntil(flags.until);
    return input === "base-model" ? String(flags.base ?? target) : String(flags[input] ?? "");
  };
  return {
    target,
    flags,
    inputs: () => {
      const inputs = parseInputs(read, environment);
      for (const line of unusedInputs(read, inputs)) report.warn(line);
      return inputs;
    },
    dependencies: (inputs) => {
      const stages = stagesOf(command, inputs);
      const { traffic, ...rest } = openDependencies(inputs, numberStages(report, stages), "");
      if (stages.length > 0) sayCosts = () => report.info(runWords(costsSoFar(traffic)));
      return rest;
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
  };
}

/** The command of the Action that goes as far as `--until` says. */
function commandUntil(until: Flags[string] = "published"): string {
  const stops = { measured: "measure", staged: "tune", published: "publish" } as const;
  return stops[choice("measured", "staged", "published").parse(String(until), "until")];
}

/**
 * The real dependencies: the Hub over HTTP, the kernel in worker threads. `traffic` counts what all
 * connections send and receive.
 */
export function openDependencies(
  {
    hubEndpoint,
    hubToken,
    workers,
  }: Pick<Inputs, "hubEndpoint" | "workers"> & { readonly hubToken: HubOptions["token"] },
  report: Report,
  occasion: string,
): Dependencies & { readonly traffic: Traffic } {
  const traffic = newTraffic();
  return {
    report,
    occasion,
    traffic,
    connect: () => connectHub({ endpoint: hubEndpoint, token: hubToken, report, traffic }),
    openKernel: () => openKernel(workers === null ? {} : { workers }),
  };
}

async function plan({ inputs, flags, dependencies, print }: Call) {
  const parsed = inputs();
  const { plan: series, base, sensitivity } = await planModel(parsed, dependencies(parsed));
  const title = `${series.model} at ${series.revision}`;
  const table = () => [title, formatPlan(series), formatUnquantized(series)].join("\n");
  if (flags.explain !== true) return print(series, table);
  const tiers = series.tiers.map((tier) => ({
    ...tier,
    roles: explainPlan(tier, base.tensors, base.storage, sensitivity),
  }));
  const explain = () => tiers.map((tier) => formatExplanation(tier, tier.roles)).join("\n\n");
  return print({ ...series, tiers }, () => `${table()}\n\n${explain()}`);
}

/** Prints the sensitivity, or writes it to the file of --out. */
async function measure({ inputs, flags, dependencies, print, write }: Call) {
  const parsed = inputs();
  if (flags.out === "") {
    const hint = "Leave it out to print the sensitivity.";
    throw new OqeError("BAD_INPUT", "--out names no file", hint);
  }
  const path = typeof flags.out === "string" ? resolve(flags.out) : null;
  if (path !== null) await tryFile(path);
  const text = writeSensitivity(await measureModel(parsed, dependencies(parsed)));
  if (path === null) return write(text);
  await onDisk(path, text.length, () => writeFile(path, text));
  return print({ sensitivity: path }, () => path);
}

async function quantize({ inputs, flags, dependencies, print }: Call) {
  const parsed = inputs();
  if (typeof flags.out !== "string" || flags.out === "") {
    const hint = "The tiers are written to <folder>/<Model>-<tier>/.";
    throw new OqeError("BAD_INPUT", "oqe quantize needs --out <folder>", hint);
  }
  const made = await quantizeModel(parsed, resolve(flags.out), dependencies(parsed));
  const { plan: series, folders, stopped, failure } = made;
  await print({ ...series, folders }, () => `${formatPlan(series)}\n${folders.join("\n")}`);
  if (failure !== null) throw failure;
  if (stopped !== null) throw stopped;
}

async function publish({ inputs, dependencies, print }: Call) {
  const parsed = inputs();
  const published = await publishModel(parsed, dependencies(parsed));
  const { plan: series, tiers, stopped, failure } = published;
  const lines = tiers.map(({ outcome, url, folder }) => {
    const place = folder === null ? "" : `  (${folder})`;
    return `${outcome.padEnd(9)}  ${url}${place}`;
  });
  const text = () => [formatPlan(series), ...lines].join("\n");
  await print({ ...series, repositories: tiers }, text);
  if (failure !== null) throw failure;
  if (stopped !== null) throw stopped;
}

async function verifyTarget({ target, inputs, flags, dependencies, print }: Call) {
  const parsed = inputs();
  const isNamed = typeof flags.base === "string" && flags.base !== "";
  const asked = { ...parsed, baseModel: isNamed ? parsed.baseModel : null };
  const verified = await verify(parseModel(target, ""), asked, dependencies(parsed));
  const { evaluation, failure, conclusion } = verified;
  const title = `${verified.target.name} at ${verified.target.revision}`;
  await print(evaluation, () => `${title}\n${formatEvaluation(evaluation)}\n${conclusion}`);
  if (failure !== null) throw failure;
}

async function card({ target, print, report }: Call) {
  const path = await rewriteCard(resolve(target), report);
  return print({ card: path }, () => path);
}

async function init({ target, flags, print }: Call) {
  const made = await writeFirstFiles(resolve(target), flags);
  return print(made, () => describeFirstFiles(made));
}

async function hub({ target, flags, print }: Call) {
  const port = wholeNumber(String(flags.port ?? 0), "port", [0, 65535]);
  const server = await startLocalHub({ folder: resolve(target), port });
  const call = "oqe publish <model> --namespace <name>";
  const text = `HF_ENDPOINT=${server.url} HF_TOKEN=hf_rehearsal ${call}\n  stop it with Ctrl-C`;
  await print({ endpoint: server.url }, () => `${server.url}\n  ${text}`);
  // `on`, not `once`: a parent process may pass on a signal that the terminal sent as well.
  await new Promise<void>((stop) => {
    process.on("SIGINT", () => stop());
    process.on("SIGTERM", () => stop());
  });
  await server.close();
}
