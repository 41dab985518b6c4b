import { join, resolve } from "node:path";
import type { DomainWeights } from "../calibration/domain-weights.ts";
import type { CalibrationReference } from "../calibration/reference.ts";
import { type GateName, gateNames } from "../evaluation/evaluation-types.ts";
import { type GateInputs, parseGate } from "../evaluation/gates.ts";
import { OqeError } from "../ground/errors.ts";
import type { Rounding } from "../kernel/width.ts";
import type { Loader } from "../models/architecture.ts";
import type { CarriedPart } from "../models/carried.ts";
import type { Policy } from "../plan/plan.ts";
import type { Floors } from "../plan/plan-types.ts";
import { parseTargets, splitTiers, type TierChoice, tierFlag } from "../plan/targets.ts";
import { parseTiers, tiers } from "../plan/tiers.ts";
import type { Method, Propagation, Repair } from "../quantize/tuning-record.ts";
import { engineSource } from "./engine-source.ts";
import type { Condition, InputRow } from "./input-row.ts";
import { type InputName, type InputValues, inputTable } from "./input-table.ts";
import { type ModelReference, parseModel } from "./input-values.ts";

/** All inputs of a run, parsed and frozen. The token is here and in the Hub client only. */
export interface Inputs {
  readonly baseModel: ModelReference;
  readonly namespace: string;
  /** Tiers of the series, and custom tiers. */
  readonly tiers: readonly TierChoice[];
  /** Parts beside the language model that the tiers hold, if the base has them. */
  readonly carry: readonly CarriedPart[];
  /** Program that the tiers are written for. */
  readonly loader: Loader;
  readonly policy: Policy;
  readonly floors: Floors;
  /** Path of a sensitivity file; null: the run measures. */
  readonly sensitivity: string | null;
  readonly domainWeights: DomainWeights;
  /** A quantized repository to measure instead of the base; null: measure the base. */
  readonly proxy: ModelReference | null;
  readonly method: Method;
  readonly rounding: Rounding;
  readonly calibration: CalibrationReference;
  readonly calibrationSamples: number;
  readonly calibrationLength: number;
  readonly propagation: Propagation;
  /** In the order of the table of repairs; empty: none. */
  readonly repair: readonly Repair[];
  readonly verify: boolean;
  readonly evaluation: CalibrationReference;
  /** null: as the model's size says. */
  readonly evaluationSamples: number | null;
  readonly evaluationLength: number | null;
  /** Path of WikiText-2's test text; null: it is not measured on. */
  readonly wikitext: string | null;
  /** Most chunks of it. */
  readonly wikitextChunks: number;
  readonly gates: GateInputs;
  /** `owner/name` on GitHub of the Action that runs, or that npm installed; null: unknown. */
  readonly engineRepository: string | null;
  /** Its commit, tag or branch; null: unknown. */
  readonly engineRef: string | null;
  readonly hubEndpoint: string;
  readonly hubToken: string | null;
  readonly workDir: string;
  readonly private: boolean;
  readonly dryRun: boolean;
  readonly overwrite: boolean;
  /** null: one per core. */
  readonly workers: number | null;
  /** In bytes; null: a share of the machine's memory. */
  readonly memoryLimit: number | null;
  /** In seconds since the start of the process; null: none. */
  readonly timeLimit: number | null;
  /**
   * How far the run goes: to the sensitivity, to parts of tiers or tiers on staging branches, or to
   * the end.
   */
  readonly until: "measured" | "ahead" | "staged" | "published";
  /** Each tier becomes a pull request of its repository instead of a commit to main. */
  readonly hubPullRequest: boolean;
}

/** The inputs that a plan follows from, besides base and sensitivity. */
export type PlanInputs = Pick<Inputs, "tiers" | "policy" | "floors">;
/** The inputs that the rows of a run are drawn from. */
export type RowInputs = Pick<
  Inputs,
  | ("method" | "calibration" | "calibrationSamples" | "calibrationLength")
  | ("verify" | "evaluation" | "evaluationSamples" | "evaluationLength")
  | ("wikitext" | "wikitextChunks")
>;

type Environment = Readonly<Record<string, string | undefined>>;

/** Name of the usual work folder, in the current folder or the runner's temporary one. */
export const usualWorkDir = "oqe-work";

/** The raw text of an input; empty where it is absent. */
export type ReadInput = (name: InputName) => string;

/**
 * Parses every input. `environment` gives the variables that Hub tools share (HF_ENDPOINT,
 * HF_TOKEN) and the runner's temporary folder (RUNNER_TEMP). Throws BAD_INPUT.
 */
export function parseInputs(read: ReadInput, environment: Environment): Inputs {
  const values = parseValues(read);
  checkTuning(values, read);
  const policy = choosePolicy(values);
  const chosen = chooseTiers(values);
  return Object.freeze({
    baseModel: parseModel(values["base-model"], values.revision),
    namespace: values.namespace,
    tiers: chosen,
    carry: values.carry,
    loader: values.loader,
    policy,
    floors: values.floors,
    sensitivity: values.sensitivity,
    domainWeights: values["domain-weights"],
    proxy: values["sensitivity-proxy"],
    method: values.method,
    rounding: values.rounding,
    calibration: values.calibration,
    calibrationSamples: values["calibration-samples"],
    calibrationLength: values["calibration-length"],
    propagation: values.propagation,
    repair: values.repair,
    verify: values.verify,
    evaluation: values.evaluation,
    evaluationSamples: values["evaluation-samples"],
    evaluationLength: values["evaluation-length"],
    wikitext: values.wikitext,
    wikitextChunks: values["wikitext-chunks"],
    gates: parseGates(values, chosen),
    ...engineSource(environment),
    ...parsePlaces((name) => values[name], environment),
    private: values.private,
    dryRun: values["dry-run"],
    overwrite: values.overwrite,
    workers: values.workers,
    memoryLimit: values["memory-limit"],
    timeLimit: values["time-limit"],
    until: untilOf(values),
    hubPullRequest: values["hub-pull-request"],
  });
}

function untilOf({ command }: InputValues): Inputs["until"] {
  if (command === "measure") return "measured";
  if (command === "tune-ahead") return "ahead";
  return command === "tune" ? "staged" : "published";
}

/** The Hub and the work folder; the environment gives what the inputs leave out. */
export function parsePlaces(
  parse: (name: "hub-endpoint" | "hub-token" | "work-dir") => string,
  environment: Environment,
) {
  return {
    hubEndpoint: parse("hub-endpoint") || environment.HF_ENDPOINT || "https://huggingface.co",
    hubToken: parse("hub-token") || environment.HF_TOKEN || null,
    workDir: resolve(parse("work-dir") || join(environment.RUNNER_TEMP || ".", usualWorkDir)),
  };
}

/** Each input by itself. */
function parseValues(read: ReadInput): InputValues {
  const entries = inputTable.map((row) => [
    row.name,
    row.parse(read(row.name).trim() || row.default, row.name),
  ]);
  return Object.fromEntries(entries) as InputValues; // the rows that the type is made from
}

/** Throws BAD_INPUT for inputs of rounding and tuning that exclude each other. */
function checkTuning(values: InputValues, read: ReadInput) {
  const { method, rounding, repair, propagation } = values;
  if (method === "rounded" && ["ahead", "staged"].includes(untilOf(values))) {
    throw new OqeError(
      "BAD_INPUT",
      `command ${values.command} leaves tiers on staging branches, but method rounded stages nothing`,
      "Publish rounded tiers in one run, by command publish.",
    );
  }
  if (method !== "tuned") return;
  if (rounding === "mlx") {
    const isDefault = read("method").trim() === "";
    throw new OqeError(
      "BAD_INPUT",
      "rounding mlx gives the bytes of mx.quantize, but " +
        `method tuned${isDefault ? ", the default," : ""} chooses other codes`,
      "For those bytes set method rounded. To tune, leave rounding out.",
    );
  }
  if (repair.includes("residual") && propagation !== "sequential") {
    throw new OqeError(
      "BAD_INPUT",
      "repair residual needs each tier's own activations, but " +
        `propagation ${propagation} tunes all tiers on the base's`,
      "Set propagation sequential, or leave residual out.",
    );
  }
}

/** Every tier of the series, unless some are named or only custom tiers are. */
function chooseTiers(values: InputValues): readonly TierChoice[] {
  const { bpw, size, others } = splitTiers(values.tiers);
  const targets = parseTargets(
    [values["target-bpw"], ...bpw].join(" "),
    [values["target-size"], ...size].join(" "),
  );
  if (others.length > 0 || (values.tiers !== "" && targets.length === 0))
    return [...parseTiers(others.join(" ")), ...targets];
  return targets.length > 0 ? targets : tiers;
}

/** Throws BAD_INPUT for a measured plan without text or file to measure by. */
function choosePolicy(values: InputValues): Policy {
  const { method, sensitivity, "sensitivity-proxy": proxy } = values;
  const policy = values.policy ?? (method === "tuned" || sensitivity !== null ? "measured" : "oq");
  if (policy === "measured" && method === "rounded" && sensitivity === null) {
    throw new OqeError(
      "BAD_INPUT",
      "policy measured measures on calibration text, but method rounded reads none",
      "Set policy oq, or name a sensitivity that `oqe sensitivity` wrote.",
    );
  }
  const isWeighted = Object.keys(values["domain-weights"]).length > 0;
  if (sensitivity !== null && (proxy !== null || isWeighted)) {
    throw new OqeError(
      "BAD_INPUT",
      `${proxy === null ? "domain-weights" : "sensitivity-proxy"}: ` +
        "no effect on a sensitivity that is given as a file",
      "Give it to `oqe sensitivity`, or leave sensitivity out.",
    );
  }
  return policy;
}

function parseGates(values: InputValues, chosen: readonly TierChoice[]): GateInputs {
  const known = [...chosen, ...tiers].map((tier) => tier.name);
  // A job that makes a part of a series is given the limits of the whole.
  const others = (text: string) =>
    ["ahead", "staged"].includes(untilOf(values))
      ? (text.match(/\boQ[\w.]+e(?==)/g) ?? []).filter(isCustom)
      : [];
  const gate = (name: GateName) => {
    const names = new Set([...known, ...others(values[name])]);
    return [name, parseGate(name, values[name], [...names])];
  };
  return Object.freeze(Object.fromEntries(gateNames.map(gate)) as GateInputs);
}

function isCustom(name: string): boolean {
  return tierFlag(name).tiers === undefined;
}

/** Inputs that were set although they have no effect in this run, as sentences for the log. */
export function unusedInputs(read: ReadInput, inputs: Inputs): readonly string[] {
  const reasons: readonly (readonly [Condition, boolean, string])[] = [
    ["tuned", inputs.method === "tuned", `method ${inputs.method} reads no calibration text`],
    ["measured", inputs.policy === "measured", `policy ${inputs.policy} does not measure`],
    ["evaluated", inputs.verify, "verify is false"],
  ];
  const rows: readonly (InputRow & { readonly name: InputName })[] = inputTable;
  return reasons.flatMap(([condition, holds, reason]) => {
    const set = rows.filter(
      (row) => row.only === condition && !["", row.default].includes(read(row.name).trim()),
    );
    if (holds || set.length === 0) return [];
    return [`without effect: ${set.map((row) => row.name).join(", ")} (${reason})`];
  });
}
