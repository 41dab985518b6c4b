import { writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import { type Report, terminalReport } from "../ground/report.ts";
import { connectHub } from "../hub/client.ts";
import { wholeNumber } from "../inputs/input-kinds.ts";
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
import { onDisk } from "../series/atomic-folder.ts";
import { rewriteCard } from "../series/folders.ts";
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
import { formatExplanation, formatPlan, formatUnquantized } from "./plan-table.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** One call of a command. */
interface Call {
  readonly target: string;
  readonly flags: Flags;
  readonly inputs: () => Inputs;
  readonly dependencies: (inputs: Inputs) => Dependencies;
  /** Prints the result: `value` as JSON with --json, otherwise `text`. */
  readonly print: (value: unknown, text: string) => void;
  readonly write: (text: string) => void;
}

const runs: Readonly<Record<CommandName, (call: Call) => Promise<void>>> = {
  plan,
  sensitivity: measure,
  quantize,
  publish,
  verify: verifyTarget,
  card,
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
  const [name, target, ...more] = positionals;
  if (flags.version === true) return write(`${engine.version}\n`);
  if (name === undefined || name === "help") return write(overview());
  const command = commandTable.find((row) => row.name === name);
  if (command === undefined)
    throw new OqeError("BAD_INPUT", `"${name}" is not a command`, seeHelp());
  if (flags.help === true) return write(commandHelp(command));
  if (target === undefined || more.length > 0) {
    const got = target === undefined ? "none" : [target, ...more].join(" ");
    throw new OqeError("BAD_INPUT", `oqe ${name} takes one argument, got ${got}`, seeHelp(name));
  }
  refuseStrayFlags(command, flags);
  await runs[command.name](openCall(target, flags, { environment, write }));
}

function openCall(
  target: string,
  flags: Flags,
  { environment, write }: { environment: Environment; write: (text: string) => void },
): Call {
  const report = terminalReport();
  const read = (input: InputName) =>
    input === "base-model" ? String(flags.base ?? target) : String(flags[input] ?? "");
  return {
    target,
    flags,
    inputs: () => {
      const inputs = parseInputs(read, environment);
      for (const line of unusedInputs(read, inputs)) report.warn(line);
      return inputs;
    },
    dependencies: (inputs) => openDependencies(inputs, report, ""),
    print: (value, text) =>
      write(flags.json === true ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`),
    write,
  };
}

/** The real dependencies: the Hub over HTTP, the kernel in worker threads. */
export function openDependencies(
  { hubEndpoint, hubToken, workers }: Pick<Inputs, "hubEndpoint" | "hubToken" | "workers">,
  report: Report,
  occasion: string,
): Dependencies {
  return {
    report,
    occasion,
    connect: () => connectHub({ endpoint: hubEndpoint, token: hubToken, report }),
    openKernel: () => openKernel(workers === null ? {} : { workers }),
  };
}

async function plan({ inputs, flags, dependencies, print }: Call) {
  const parsed = inputs();
  const { plan: series, base, sensitivity } = await planModel(parsed, dependencies(parsed));
  const title = `${series.model} at ${series.revision}`;
  const table = [title, formatPlan(series), formatUnquantized(series)].join("\n");
  if (flags.explain !== true) return print(series, table);
  const explanations = series.tiers.map((tier) =>
    explainPlan(tier, base.tensors, base.storage, sensitivity),
  );
  const texts = series.tiers.map((tier, i) => formatExplanation(tier, explanations[i]!));
  const tiers = series.tiers.map((tier, i) => ({ ...tier, roles: explanations[i]! }));
  print({ ...series, tiers }, [table, ...texts].join("\n\n"));
}

/** Prints the sensitivity, or writes it to the file of --out. */
async function measure({ inputs, flags, dependencies, write }: Call) {
  const parsed = inputs();
  if (flags.out === "")
    throw new OqeError(
      "BAD_INPUT",
      "--out names no file",
      "Leave it out to print the sensitivity.",
    );
  const text = writeSensitivity(await measureModel(parsed, dependencies(parsed)));
  if (typeof flags.out !== "string") return write(text);
  const path = resolve(flags.out);
  await onDisk(dirname(path), text.length, () => writeFile(path, text));
  write(flags.json === true ? `${JSON.stringify({ sensitivity: path })}\n` : `${path}\n`);
}

async function quantize({ inputs, flags, dependencies, print }: Call) {
  const parsed = inputs();
  if (typeof flags.out !== "string" || flags.out === "") {
    throw new OqeError(
      "BAD_INPUT",
      "oqe quantize needs --out <folder>",
      "The tiers are written to <folder>/<Model>-<tier>/.",
    );
  }
  const {
    plan: series,
    folders,
    failure,
  } = await quantizeModel(parsed, resolve(flags.out), dependencies(parsed));
  print({ ...series, folders }, `${formatPlan(series)}\n${folders.join("\n")}`);
  if (failure !== null) throw failure;
}

async function publish({ inputs, dependencies, print }: Call) {
  const parsed = inputs();
  const { plan: series, tiers, failure } = await publishModel(parsed, dependencies(parsed));
  const lines = tiers.map(
    (tier) =>
      `${tier.outcome.padEnd(9)}  ${tier.url}${tier.folder === null ? "" : `  (${tier.folder})`}`,
  );
  print({ ...series, repositories: tiers }, `${formatPlan(series)}\n${lines.join("\n")}`);
  if (failure !== null) throw failure;
}

async function verifyTarget({ target, inputs, flags, dependencies, print }: Call) {
  if (typeof flags.base !== "string" || flags.base === "") {
    throw new OqeError(
      "BAD_INPUT",
      "oqe verify needs --base <model>",
      "Name the model that the target was made from: a folder, or org/name[@revision] on the Hub.",
    );
  }
  const parsed = inputs();
  const given = { samples: flags["evaluation-samples"] !== undefined };
  const {
    evaluation,
    target: measured,
    failure,
  } = await verify(parseModel(target, ""), parsed, given, dependencies(parsed));
  print(evaluation, `${measured.name} at ${measured.revision}\n${formatEvaluation(evaluation)}`);
  if (failure !== null) throw failure;
}

async function card({ target, print }: Call) {
  const path = await rewriteCard(resolve(target));
  print({ card: path }, path);
}

async function hub({ target, flags, print }: Call) {
  const port = wholeNumber(String(flags.port ?? 0), "port", [0, 65535]);
  const server = await startLocalHub({ folder: resolve(target), port });
  const call = "oqe publish <model> --namespace <name>";
  const text = `HF_ENDPOINT=${server.url} HF_TOKEN=hf_rehearsal ${call}\n  stop it with Ctrl-C`;
  print({ endpoint: server.url }, `${server.url}\n  ${text}`);
  await new Promise<void>((stop) => {
    process.once("SIGINT", () => stop());
    process.once("SIGTERM", () => stop());
  });
  await server.close();
}
