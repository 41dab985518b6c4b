import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { CalibrationReference } from "./calibration/reference.ts";
import { OqeError } from "./errors.ts";
import type { Rounding } from "./kernel/width.ts";
import { type GateInputs, parseGate } from "./proof/gates.ts";
import { type GateName, gateNames } from "./proof/proof-types.ts";
import { type Policy, policies } from "./quant/plan.ts";
import { parseTiers, type Tier, tiers } from "./quant/tiers.ts";
import { type Method, methods, type Propagation, propagations, type Repair, repairs } from "./quant/tuning-record.ts";

/** What a run does unless told otherwise; action.yml says the same (a test compares them). */
const defaultMethod: Method = "tuned";
const defaultPropagation: Propagation = "reference";
const defaultRepair: Repair = "router";

/** The base: a folder, or a repository on the Hub at a revision (branch, tag or commit). */
export type ModelReference =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "hub"; readonly id: string; readonly revision: string };

/** Everything a run is told, parsed and frozen. The token is here and in the Hub client, nowhere else. */
export interface Inputs {
  readonly baseModel: ModelReference;
  readonly namespace: string;
  readonly tiers: readonly Tier[];
  readonly policy: Policy;
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
  readonly verify: boolean;
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
  { name: "tiers", default: tiers.map((tier) => tier.name).join(",") },
  { name: "policy", default: "oq" },
  { name: "method", default: defaultMethod },
  { name: "rounding", default: "stored" },
  { name: "calibration", default: "" },
  { name: "calibration-samples", default: "128" },
  { name: "calibration-length", default: "256" },
  { name: "propagation", default: defaultPropagation },
  { name: "repair", default: defaultRepair },
  { name: "verify", default: "true" },
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
  const text = (name: InputName) => read(name).trim() || inputTable.find((row) => row.name === name)!.default;
  const method = parseChoice("method", text("method"), methods);
  const rounding = parseChoice("rounding", text("rounding"), ["stored", "mlx"] as const);
  if (method === "tuned" && rounding === "mlx") {
    const said = read("method").trim() === "" ? `method ${method}, the default,` : `method ${method}`;
    throw new OqeError(
      "BAD_INPUT",
      `rounding mlx gives the bytes of mx.quantize, and ${said} chooses other codes`,
      "For those bytes say method rounded with it; to tune leave rounding out.",
    );
  }
  const chosen = parseTiers(text("tiers"));
  const names = [...new Set([...chosen, ...tiers].map((tier) => tier.name))];
  const gate = (name: GateName) => parseGate(name, text(name), names);
  return Object.freeze({
    baseModel: parseModel(text("base-model"), text("revision")),
    namespace: text("namespace"),
    tiers: chosen,
    policy: parseChoice("policy", text("policy"), policies),
    method,
    rounding,
    calibration: parseText("calibration", text("calibration")),
    calibrationSamples: parseCount("calibration-samples", text("calibration-samples"), 1, 4096),
    calibrationLength: parseCount("calibration-length", text("calibration-length"), 16, 8192),
    propagation: parseChoice("propagation", text("propagation"), propagations),
    repair: parseRepair(text("repair")),
    verify: parseToggle("verify", text("verify")),
    evaluation: parseText("evaluation", text("evaluation")),
    evaluationSamples: parseCount("evaluation-samples", text("evaluation-samples"), 1, 4096),
    gates: Object.freeze(Object.fromEntries(gateNames.map((name) => [name, gate(name)])) as GateInputs),
    hubEndpoint: text("hub-endpoint") || environment.HF_ENDPOINT || "https://huggingface.co",
    hubToken: text("hub-token") || environment.HF_TOKEN || null,
    workDir: resolve(text("work-dir") || join(environment.RUNNER_TEMP || ".", "oqe-work")),
    private: parseToggle("private", text("private")),
    dryRun: parseToggle("dry-run", text("dry-run")),
    overwrite: parseToggle("overwrite", text("overwrite")),
    workers: text("workers") === "" ? null : parseCount("workers", text("workers"), 1, 64),
  });
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
  const ofProof = setAmong(inputs, ["evaluation", "evaluation-samples", ...gateNames]);
  return [
    ...(inputs.method === "tuned" || ofTuning === ""
      ? []
      : [`${ofTuning}: without effect, for method ${inputs.method} uses no calibration`]),
    ...(inputs.verify || ofProof === "" ? [] : [`${ofProof}: without effect, for verify is false`]),
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
    evaluation: path(inputs.evaluation),
    "evaluation-samples": String(inputs.evaluationSamples),
    ...Object.fromEntries(gateNames.map((gate) => [gate, Object.keys(inputs.gates[gate]).join()])),
  };
  return names.filter((name) => values[name] !== inputTable.find((row) => row.name === name)!.default).join(", ");
}

/** `org/name[@revision]` on the Hub, or a folder: whatever exists on disk or starts with `.`, `/` or `~` is a folder. */
export function parseModel(model: string, revision: string): ModelReference {
  if (model === "") {
    throw new OqeError(
      "BAD_INPUT",
      "no base model given",
      "Name a folder, or a repository on the Hub as org/name or org/name@revision.",
    );
  }
  if (/^[./~]/.test(model) || existsSync(model)) {
    if (revision !== "") {
      throw new OqeError(
        "BAD_INPUT",
        `revision "${revision}" given for the folder ${model}`,
        "A revision belongs to a model on the Hub.",
      );
    }
    return { kind: "folder", path: resolve(model.replace(/^~(?=\/|$)/, homedir())) };
  }
  const [, id, inline] = /^([\w][\w.-]*\/[\w][\w.-]*)(?:@(.+))?$/.exec(model) ?? [];
  if (id === undefined || /\.\.|--/.test(id)) {
    throw new OqeError(
      "BAD_INPUT",
      `"${model}" is neither a folder nor a repository name`,
      "Name a folder that exists, or org/name[@revision].",
    );
  }
  if (inline !== undefined && revision !== "" && inline !== revision) {
    throw new OqeError("BAD_INPUT", `two revisions given: "${inline}" in the model's name and "${revision}"`);
  }
  const chosen = inline ?? (revision || "main");
  if (!/^[\w][\w./-]*$/.test(chosen) || chosen.includes("..")) {
    throw new OqeError(
      "BAD_INPUT",
      `"${chosen}" is not a revision`,
      "A branch, a tag, or a commit of 40 hexadecimal digits.",
    );
  }
  return { kind: "hub", id, revision: chosen };
}

function parseChoice<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value.toLowerCase());
  if (found === undefined) throw new OqeError("BAD_INPUT", `${name}: "${value}" is not one of ${choices.join(", ")}`);
  return found;
}

/** Names separated by commas or spaces, or `none`. */
function parseRepair(text: string): readonly Repair[] {
  if (text.toLowerCase() === "none") return Object.freeze([]);
  const asked = text.split(/[\s,]+/).map((name) => parseChoice("repair", name, [...repairs, "none"]));
  if (asked.includes("none")) throw new OqeError("BAD_INPUT", `repair: "${text}" is none and something at once`);
  return Object.freeze(repairs.filter((name) => asked.includes(name)));
}

function parseToggle(name: string, value: string): boolean {
  if (/^true$/i.test(value)) return true;
  if (/^false$/i.test(value)) return false;
  throw new OqeError("BAD_INPUT", `${name}: "${value}" is neither true nor false`);
}

function parseCount(name: string, value: string, least: number, most: number): number {
  const count = Number(value);
  if (!/^\d+$/.test(value) || count < least || count > most) {
    throw new OqeError("BAD_INPUT", `${name}: "${value}" is not a whole number from ${least} to ${most}`);
  }
  return count;
}

/** A file that exists or starts with `.`, `/` or `~`, or `datasets/org/name[@revision]/path` on the Hub; empty: bundled. */
export function parseText(name: "calibration" | "evaluation", text: string): CalibrationReference {
  if (text === "") return { kind: "bundled" };
  if (/^[./~]/.test(text) || existsSync(text)) {
    const path = resolve(text.replace(/^~(?=\/|$)/, homedir()));
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile() === true) return { kind: "file", path };
    throw new OqeError(
      "BAD_INPUT",
      `${name}: ${path} ${found === undefined ? "does not exist" : "is not a file"}`,
      `Name one text file, or leave ${name} out to use the rows that come with oqe-publisher.`,
    );
  }
  const pattern = /^(?:hf:\/\/)?datasets\/([\w][\w.-]*\/[\w][\w.-]*)(?:@([\w][\w.-]*))?\/(.+)$/;
  const [, dataset, revision = "main", path] = pattern.exec(text) ?? [];
  if (dataset === undefined || path === undefined || /\.\.|--/.test(dataset) || /\.\.|\/\/|[\p{Cc}\\?#]/u.test(path)) {
    throw new OqeError(
      "BAD_INPUT",
      `${name}: "${text}" is neither a file nor a file of a dataset on the Hub`,
      "Name a file that exists, or datasets/org/name[@revision]/path/to/file.",
    );
  }
  return { kind: "hub", dataset, revision, path };
}
