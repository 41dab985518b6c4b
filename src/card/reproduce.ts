import { areDefault, formatFloors } from "../plan/floors.ts";
import { tierFlag } from "../plan/targets.ts";
import type { CalibrationRecord, Receipt } from "../receipt/receipt.ts";
import { shellWord } from "./markdown.ts";

/**
 * The command that makes these files again. It always names the method, because other versions can
 * have another default.
 */
export function reproduceFacts(receipt: Receipt) {
  const { base, options, plan, calibration, evaluationRows, wikitextRows } = receipt;
  const model = base.id === null ? `./${base.name}` : `${base.id}@${base.revision}`;
  const flags = {
    ...tierFlag(plan.tier),
    policy: options.policy,
    ...planningFlags(options),
    method: options.method,
    ...(options.leftOut !== undefined && { carry: options.carry?.join(",") || "none" }),
    ...(options.loader !== undefined && { loader: options.loader }),
    ...(options.rounding !== "stored" && { rounding: options.rounding }),
    ...(options.propagation !== null && { propagation: options.propagation }),
    ...(options.repair !== null && { repair: options.repair.join(",") || "none" }),
    ...(calibration !== null && calibrationFlags(calibration)),
    ...(evaluationRows === null ? { verify: "false" } : evaluationFlags(evaluationRows)),
    ...(wikitextRows && wikitextFlags(wikitextRows)),
  };
  const chosen = Object.entries(flags).map(([flag, value]) => `--${flag} ${shellWord(value)}`);
  return {
    command: `${callOf(receipt)} quantize ${shellWord(model)} --out . ${chosen.join(" ")}`,
    isReal: receipt.engine.repository !== null,
  };
}

/**
 * How a stranger starts this version of the engine: by the ref that it came from, or else by the
 * tag of its version. A checkout does not know where others find its
 * source.
 */
export function callOf({ engine }: Pick<Receipt, "engine">): string {
  const { repository, version, ref = `v${version}` } = engine;
  return repository === null ? "oqe" : `npx --yes ${shellWord(`github:${repository}#${ref}`)}`;
}

/**
 * Options that repeat a measured plan. The sensitivity file itself is not in the repository; the
 * receipt has its hash.
 */
function planningFlags({
  floors,
  domainWeights,
  proxy,
  sensitivity,
}: Receipt["options"]): Record<string, string> {
  const weights = Object.entries(domainWeights ?? {}).map(
    ([domain, weight]) => `${domain}=${weight}`,
  );
  const least = floors === null ? "" : formatFloors(floors);
  return {
    ...(least !== "" && !areDefault(floors!) && { floors: least }),
    ...(weights.length > 0 && { "domain-weights": weights.join(",") }),
    ...(proxy !== null && {
      "sensitivity-proxy": proxy.includes("/") ? proxy : `./${proxy.replace(/@.*/, "")}`,
    }),
    ...(sensitivity !== null && { sensitivity: "./sensitivity.json" }),
  };
}

function calibrationFlags({ source, samples, length }: CalibrationRecord): Record<string, string> {
  return {
    ...(source !== "bundled" && { calibration: textFlag(source) }),
    "calibration-samples": String(samples),
    "calibration-length": String(length),
  };
}

function evaluationFlags({ source, samples, length }: CalibrationRecord): Record<string, string> {
  return {
    ...(source !== "bundled" && { evaluation: textFlag(source) }),
    "evaluation-samples": String(samples),
    "evaluation-length": String(length),
  };
}

function wikitextFlags({ source, samples }: CalibrationRecord): Record<string, string> {
  return { wikitext: textFlag(source), "wikitext-chunks": String(samples) };
}

function textFlag(source: string): string {
  return source.includes("/") ? source : `./${source}`;
}
