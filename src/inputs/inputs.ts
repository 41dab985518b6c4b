import { join, resolve } from "node:path";
import { type DomainWeights, parseDomainWeights } from "../calibration/domain-weights.ts";
import type { CalibrationReference } from "../calibration/reference.ts";
import { type GateName, gateNames } from "../evaluation/evaluation-types.ts";
import { type GateInputs, parseGate } from "../evaluation/gates.ts";
import { OqeError } from "../ground/errors.ts";
import type { Rounding } from "../kernel/width.ts";
import { defaultFloors, formatFloors, parseFloors } from "../plan/floors.ts";
import { type Policy, policies } from "../plan/plan.ts";
import type { Floors } from "../plan/plan-types.ts";
import { parseTargets, type TierChoice } from "../plan/targets.ts";
import { parseTiers, tiers } from "../plan/tiers.ts";
import {
  type Method,
  methods,
  type Propagation,
  propagations,
  type Repair,
  repairs,
} from "../quantize/tuning-record.ts";
import {
  findFile,
  type ModelReference,
  parseChoice,
  parseCount,
  parseModel,
  parseText,
  parseToggle,
} from "./input-values.ts";

/** What a run does unless told otherwise; action.yml says the same (a test compares them). */
const defaultMethod: Method = "tuned";
const defaultPropagation: Propagation = "reference";
const defaultRepair = "router,rounding";
const allTiers = tiers.map((tier) => tier.name).join(",");

/** Everything a run is told, parsed and frozen. The token is here and in the Hub client, nowhere else. */
export interface Inputs {
  readonly baseModel: ModelReference;
  readonly namespace: string;
  /** Tiers of the series, and custom ones by what they may take. */
  readonly tiers: readonly TierChoice[];
  readonly policy: Policy;
  readonly floors: Floors;
  /** A file to plan by; null: the run measures. */
  readonly sensitivity: string | null;
  readonly domainWeights: DomainWeights;
  /** A quantized repository of the base, measured in its place; null: the base itself. */
  readonly proxy: ModelReference | null;
  readonly method: Method;
  readonly rounding: Rounding;
  readonly calibration: CalibrationReference;
  /** Rows, and tokens in each of them. */
  readonly calibrationSamples: number;
  readonly calibrationLength: number;
  readonly propagation: Propagation;
  /** In the order of the table of repairs; empty: none. */
  readonly repair: readonly Repair[];
  /** Whether every tier is measured against its base before it is published. */
  readonly evaluate: boolean;
  /** Text to measure on, and rows of it. */
  readonly evaluation: CalibrationReference;
  readonly evaluationSamples: number;
  readonly gates: GateInputs;
  readonly hubEndpoint: string;
  readonly hubToken: string | null;
  readonly workDir: string;
  readonly private: boolean;
  readonly dryRun: boolean;
  readonly overwrite: boolean;
  /** null: one per core. */
  readonly workers: number | null;
}

/** One input of the Action = one flag of the CLI. action.yml holds the same names and defaults (a test compares them). */
export interface InputRow {
  readonly name: string;
  /** Text used when the input is absent or empty. */
  readonly default: string;
  /** Flags without a value on the command line. */
  readonly toggle?: true;
}

export const inputTable = [
  { name: "base-model", default: "" },
  { name: "revision", default: "" },
  { name: "namespace", default: "" },
  { name: "tiers", default: "" },
  { name: "target-bpw", default: "" },
  { name: "target-size", default: "" },
  { name: "policy", default: "" },
  { name: "floors", default: defaultFloors },
  { name: "sensitivity", default: "" },
  { name: "domain-weights", default: "" },
  { name: "sensitivity-proxy", default: "" },
  { name: "method", default: defaultMethod },
  { name: "rounding", default: "stored" },
  { name: "calibration", default: "" },
  { name: "calibration-samples", default: "128" },
  { name: "calibration-length", default: "256" },
  { name: "propagation", default: defaultPropagation },
  { name: "repair", default: defaultRepair },
  { name: "evaluate", default: "true" },
  { name: "evaluation", default: "" },
  { name: "evaluation-samples", default: "128" },
  { name: "max-kl", default: "" },
  { name: "min-same-top", default: "" },
  { name: "min-router-agreement", default: "" },
  { name: "hub-endpoint", default: "" },
  { name: "hub-token", default: "" },
  { name: "work-dir", default: "" },
  { name: "private", default: "false", toggle: true },
  { name: "dry-run", default: "false", toggle: true },
  { name: "overwrite", default: "false", toggle: true },
  { name: "workers", default: "" },
] as const satisfies readonly InputRow[];

export type InputName = (typeof inputTable)[number]["name"];

/**
 * Parses every input. `read` gives the raw text of one (empty where absent); `environment` fills in what Hub tools share
 * (HF_ENDPOINT, HF_TOKEN) and the runner's scratch folder.
 */
export function parseInputs(
  read: (name: InputName) => string,
  environment: Readonly<Record<string, string | undefined>>,
): Inputs {
  const text = (name: InputName) =>
    read(name).trim() || inputTable.find((row) => row.name === name)!.default;
  const method = parseChoice("method", text("method"), methods);
  const rounding = parseChoice("rounding", text("rounding"), ["stored", "mlx"] as const);
  if (method === "tuned" && rounding === "mlx") {
    const said =
      read("method").trim() === "" ? `method ${method}, the default,` : `method ${method}`;
    throw new OqeError(
      "BAD_INPUT",
      `rounding mlx gives the bytes of mx.quantize, and ${said} chooses other codes`,
      "For those bytes say method rounded with it; to tune leave rounding out.",
    );
  }
  const propagation = parseChoice("propagation", text("propagation"), propagations);
  const repair = parseRepair(text("repair"));
  if (method === "tuned" && repair.includes("residual") && propagation !== "sequential") {
    throw new OqeError(
      "BAD_INPUT",
      `repair residual needs each tier's own activations, and propagation ${propagation} tunes all tiers on the base's`,
      "Say propagation sequential with it, or leave residual out.",
    );
  }
  const chosen = parseChoices(text);
  const names = [...new Set([...chosen, ...tiers].map((tier) => tier.name))];
  const gate = (name: GateName) => parseGate(name, text(name), names);
  return Object.freeze({
    baseModel: parseModel(text("base-model"), text("revision")),
    namespace: text("namespace"),
    tiers: chosen,
    ...parsePlanning(text, method),
    method,
    rounding,
    calibration: parseText("calibration", text("calibration")),
    calibrationSamples: parseCount("calibration-samples", text("calibration-samples"), 1, 4096),
    calibrationLength: parseCount("calibration-length", text("calibration-length"), 16, 8192),
    propagation,
    repair,
    evaluate: parseToggle("evaluate", text("evaluate")),
    evaluation: parseText("evaluation", text("evaluation")),
    evaluationSamples: parseCount("evaluation-samples", text("evaluation-samples"), 1, 4096),
    gates: Object.freeze(
      Object.fromEntries(gateNames.map((name) => [name, gate(name)])) as GateInputs,
    ),
    hubEndpoint: text("hub-endpoint") || environment.HF_ENDPOINT || "https://huggingface.co",
    hubToken: text("hub-token") || environment.HF_TOKEN || null,
    workDir: resolve(text("work-dir") || join(environment.RUNNER_TEMP || ".", "oqe-work")),
    private: parseToggle("private", text("private")),
    dryRun: parseToggle("dry-run", text("dry-run")),
    overwrite: parseToggle("overwrite", text("overwrite")),
    workers: text("workers") === "" ? null : parseCount("workers", text("workers"), 1, 64),
  });
}

/** Every tier of the series, unless some are named or something else is asked for. */
function parseChoices(text: (name: InputName) => string): readonly TierChoice[] {
  const targets = parseTargets(text("target-bpw"), text("target-size"));
  const named =
    text("tiers") === "" && targets.length > 0 ? [] : parseTiers(text("tiers") || allTiers);
  return [...named, ...targets];
}

/** How widths are chosen. A measurement needs text, which method rounded does not read. */
function parsePlanning(text: (name: InputName) => string, method: Method) {
  const file = text("sensitivity");
  const sensitivity =
    file === ""
      ? null
      : findFile(
          "sensitivity",
          file,
          "Name a file that `oqe sensitivity` wrote, or leave sensitivity out.",
        );
  const byDefault = method === "tuned" || sensitivity !== null ? "measured" : "oq";
  const policy = parseChoice("policy", text("policy") || byDefault, policies);
  const domainWeights = parseDomainWeights(text("domain-weights"));
  const proxy = text("sensitivity-proxy") === "" ? null : parseModel(text("sensitivity-proxy"), "");
  if (policy === "measured" && method === "rounded" && sensitivity === null) {
    throw new OqeError(
      "BAD_INPUT",
      "policy measured measures on calibration text, and method rounded reads none",
      "Say policy oq, or name a sensitivity that `oqe sensitivity` made.",
    );
  }
  if (sensitivity !== null && (proxy !== null || Object.keys(domainWeights).length > 0)) {
    throw new OqeError(
      "BAD_INPUT",
      `${proxy === null ? "domain-weights have" : "sensitivity-proxy has"} no effect on a sensitivity that was made already`,
      "Give it to `oqe sensitivity`, or leave sensitivity out.",
    );
  }
  return { policy, floors: parseFloors(text("floors")), sensitivity, domainWeights, proxy };
}

/** Names separated by commas or spaces, or `none`. */
function parseRepair(text: string): readonly Repair[] {
  if (text.toLowerCase() === "none") return Object.freeze([]);
  const asked = text
    .split(/[\s,]+/)
    .map((name) => parseChoice("repair", name, [...repairs, "none"]));
  if (asked.includes("none"))
    throw new OqeError("BAD_INPUT", `repair: "${text}" is none and something at once`);
  return Object.freeze(repairs.filter((name) => asked.includes(name)));
}

/** Inputs that were set and that the run does not look at, as sentences for the log. */
export function unusedInputs(inputs: Inputs): readonly string[] {
  const ofTuning = setAmong(inputs, [
    "calibration",
    "calibration-samples",
    "calibration-length",
    "propagation",
    "repair",
  ]);
  const ofPlan = setAmong(inputs, ["floors", "sensitivity", "domain-weights", "sensitivity-proxy"]);
  const ofEvaluation = setAmong(inputs, ["evaluation", "evaluation-samples", ...gateNames]);
  return [
    ...(inputs.method === "tuned" || ofTuning === ""
      ? []
      : [`${ofTuning}: without effect, for method ${inputs.method} uses no calibration`]),
    ...(inputs.policy === "measured" || ofPlan === ""
      ? []
      : [`${ofPlan}: without effect, for policy ${inputs.policy} goes by rules`]),
    ...(inputs.evaluate || ofEvaluation === ""
      ? []
      : [`${ofEvaluation}: without effect, for evaluate is false`]),
  ];
}

/** Those of some inputs that do not have their default, for a sentence. */
function setAmong(inputs: Inputs, names: readonly InputName[]): string {
  const path = (text: CalibrationReference) => (text.kind === "bundled" ? "" : text.path);
  const values: Partial<Record<InputName, string>> = {
    calibration: path(inputs.calibration),
    "calibration-samples": String(inputs.calibrationSamples),
    "calibration-length": String(inputs.calibrationLength),
    propagation: inputs.propagation,
    repair: inputs.repair.join(",") || "none",
    floors: formatFloors(inputs.floors),
    sensitivity: inputs.sensitivity ?? "",
    "domain-weights": Object.keys(inputs.domainWeights).join(),
    "sensitivity-proxy": inputs.proxy === null ? "" : inputs.proxy.kind,
    evaluation: path(inputs.evaluation),
    "evaluation-samples": String(inputs.evaluationSamples),
    ...Object.fromEntries(gateNames.map((gate) => [gate, Object.keys(inputs.gates[gate]).join()])),
  };
  return names
    .filter((name) => values[name] !== inputTable.find((row) => row.name === name)!.default)
    .join(", ");
}
