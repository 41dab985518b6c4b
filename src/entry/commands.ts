import { writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import { type Report, terminalReport } from "../ground/report.ts";
import { connectHub } from "../hub/client.ts";
import { parseModel } from "../inputs/input-values.ts";
import { type Inputs, inputTable, parseInputs, unusedInputs } from "../inputs/inputs.ts";
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
import { formatExplanation, formatKept, formatMatrix } from "./plan-table.ts";

export const usage = `oqe ${engine.version}: publish the oQe series of a base model

  oqe plan <model> [--tiers oQ8e,oQ4e] [--target-size 18GB] [--policy measured|oq] [--explain] [--json]
  oqe sensitivity <model> [--out <file>]   measures what the bits of every tensor are worth, as JSON
  oqe quantize <model> --out <folder> [--tiers ...] [--method tuned|rounded] [--overwrite] [--json]
  oqe publish <model> --namespace <ns> [--tiers ...] [--hub-endpoint <url>] [--private] [--dry-run] [--json]
  oqe verify <repo or folder> --base <model> [--evaluation <text>] [--evaluation-samples N] [--max-kl ...] [--json]
  oqe card <folder>                 renders the card of a finished folder from its receipt
  oqe hub <folder> [--port N]       a Hub on 127.0.0.1 to rehearse a release against

<model> is a folder, or org/name[@revision] on the Hub. Further flags: --revision, --work-dir, --workers, --hub-token;
--evaluate false, --evaluation, --evaluation-samples, --max-kl, --min-same-top, --min-router-agreement;
with --method rounded --rounding stored|mlx; with --method tuned --calibration <file or datasets/org/name/path>,
--calibration-samples, --calibration-length, --propagation reference|sequential, --repair router,rounding,residual|none;
for plans --target-bpw, --floors, --sensitivity <file>, --domain-weights code=2,ja=0.5, --sensitivity-proxy <repo or folder>.
The Hub's address and token also come from HF_ENDPOINT and HF_TOKEN (better than a flag: other users see flags).
`;

type Environment = Readonly<Record<string, string | undefined>>;

interface Call {
  readonly target: string;
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly inputs: () => Inputs;
  readonly dependencies: (inputs: Inputs) => Dependencies;
  /** Prints the command's result: the JSON document under --json, else the text. */
  readonly print: (value: unknown, text: string) => void;
  readonly write: (text: string) => void;
}

/** The same options for all three; but a `quantize --dry-run` that writes would be a surprise. */
const modelFlags = inputTable.map((row): string => row.name);

/** What measuring goes by; the calibration text is named where the receipt's was a file. */
const verifyFlags = [
  ...[
    "evaluation",
    "evaluation-samples",
    "calibration",
    "max-kl",
    "min-same-top",
    "min-router-agreement",
  ],
  ...["hub-endpoint", "hub-token", "workers"],
];

/** What a measurement does not depend on. */
const unmeasured: readonly string[] = [
  "tiers",
  "target-bpw",
  "target-size",
  "policy",
  "floors",
  "sensitivity",
];

/** Every command with the flags that mean something to it; `json` goes with all. */
const commands: Record<
  string,
  { readonly run: (call: Call) => Promise<void>; readonly flags: readonly string[] }
> = {
  plan: { run: plan, flags: [...modelFlags, "explain"] },
  sensitivity: {
    run: measure,
    flags: [...modelFlags.filter((flag) => !unmeasured.includes(flag)), "out"],
  },
  quantize: { run: quantize, flags: [...modelFlags.filter((flag) => flag !== "dry-run"), "out"] },
  publish: { run: publish, flags: modelFlags },
  verify: { run: verifyTarget, flags: [...verifyFlags, "base"] },
  card: { run: card, flags: [] },
  hub: { run: hub, flags: ["port"] },
};

/** Runs one command line. Results go to `write` (stdout), everything else to stderr. Throws OqeError. */
export async function runCommand(
  argv: readonly string[],
  environment: Environment,
  write: (text: string) => void,
): Promise<void> {
  const { values: flags, positionals } = parseFlags(argv);
  const [name, target, ...more] = positionals;
  if (flags.version === true) return write(`${engine.version}\n`);
  if (flags.help === true || name === undefined || name === "help") return write(usage);
  const command = Object.hasOwn(commands, name) ? commands[name]! : undefined;
  if (command === undefined) throw new OqeError("BAD_INPUT", `"${name}" is not a command`, usage);
  if (target === undefined || more.length > 0) {
    throw new OqeError(
      "BAD_INPUT",
      `oqe ${name} takes one argument, got ${target === undefined ? "none" : [target, ...more].join(" ")}`,
      usage,
    );
  }
  const stray = Object.keys(flags).find((flag) => flag !== "json" && !command.flags.includes(flag));
  if (stray !== undefined)
    throw new OqeError("BAD_INPUT", `oqe ${name} does not take --${stray}`, usage);
  const report = terminalReport();
  const print = (value: unknown, text: string) =>
    write(flags.json === true ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`);
  const inputs = () => {
    const read = (input: string) =>
      input === "base-model" ? String(flags.base ?? target) : String(flags[input] ?? "");
    const parsed = parseInputs(read, environment);
    for (const line of unusedInputs(parsed)) report.warn(line);
    return parsed;
  };
  await command.run({
    target,
    flags,
    inputs,
    dependencies: (parsed) => openDependencies(parsed, report, ""),
    print,
    write,
  });
}

function parseFlags(argv: readonly string[]) {
  const fromTable = inputTable.map(
    (row) => [row.name, { type: "toggle" in row ? "boolean" : "string" }] as const,
  );
  const options = {
    ...Object.fromEntries(fromTable),
    out: { type: "string" },
    base: { type: "string" },
    port: { type: "string" },
    explain: { type: "boolean" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
    version: { type: "boolean" },
  } as const;
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, tokens: true });
  } catch (cause) {
    throw new OqeError("BAD_INPUT", (cause as Error).message.split(". ")[0]!, usage, cause);
  }
  refuseRepeated(
    (parsed.tokens ?? []).flatMap((token) => (token.kind === "option" ? [token.name] : [])),
  );
  return parsed as { values: Record<string, string | boolean | undefined>; positionals: string[] };
}

/** parseArgs would take the last of several, and a tier or a base would be gone without a word. */
function refuseRepeated(flags: readonly string[]): void {
  const repeated = flags.find((flag, at) => flags.indexOf(flag) < at);
  if (repeated === undefined) return;
  const hint =
    repeated === "tiers"
      ? "Several tiers go into one list: --tiers oQ6e,oQ4e."
      : "Give every flag once.";
  throw new OqeError("BAD_INPUT", `--${repeated} is given more than once`, hint);
}

/** The real dependencies: the Hub by HTTP, the kernel in worker threads. */
export function openDependencies(inputs: Inputs, report: Report, occasion: string): Dependencies {
  return {
    report,
    occasion,
    connect: () => connectHub({ endpoint: inputs.hubEndpoint, token: inputs.hubToken, report }),
    openKernel: () => openKernel(inputs.workers === null ? {} : { workers: inputs.workers }),
  };
}

async function plan({ inputs, flags, dependencies, print }: Call) {
  const parsed = inputs();
  const { plan: series, base, sensitivity } = await planModel(parsed, dependencies(parsed));
  const matrix = `${series.model} at ${series.revision}\n${formatMatrix(series)}\n${formatKept(series)}`;
  if (flags.explain !== true) return print(series, matrix);
  const explanations = series.tiers.map((tier) =>
    explainPlan(tier, base.tensors, base.storage, sensitivity),
  );
  const texts = series.tiers.map((tier, i) => formatExplanation(tier, explanations[i]!));
  const tiers = series.tiers.map((tier, i) => ({ ...tier, roles: explanations[i]! }));
  print({ ...series, tiers }, [matrix, ...texts].join("\n\n"));
}

/** The measurement goes to a file, or to stdout where none is named. */
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
  print({ ...series, folders }, `${formatMatrix(series)}\n${folders.join("\n")}`);
  if (failure !== null) throw failure;
}

async function publish({ inputs, dependencies, print }: Call) {
  const parsed = inputs();
  const { plan: series, tiers, failure } = await publishModel(parsed, dependencies(parsed));
  const lines = tiers.map(
    (tier) =>
      `${tier.outcome.padEnd(9)}  ${tier.url}${tier.folder === null ? "" : `  (${tier.folder})`}`,
  );
  print({ ...series, repositories: tiers }, `${formatMatrix(series)}\n${lines.join("\n")}`);
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
  const port = Number(flags.port ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new OqeError(
      "BAD_INPUT",
      `port: "${flags.port}" is not a port number`,
      "A whole number up to 65535; none or 0 takes a free port.",
    );
  }
  const server = await startLocalHub({ folder: resolve(target), port });
  print(
    { endpoint: server.url },
    `${server.url}\n  HF_ENDPOINT=${server.url} HF_TOKEN=hf_rehearsal oqe publish <model> --namespace <ns>\n  ends with Ctrl-C`,
  );
  await new Promise<void>((stop) => {
    process.once("SIGINT", () => stop());
    process.once("SIGTERM", () => stop());
  });
  await server.close();
}
