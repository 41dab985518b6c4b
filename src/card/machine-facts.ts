import * as v from "valibot";
import { amount, count, line, share } from "../ground/schema.ts";
import { formatFloors } from "../plan/floors.ts";
import type { Receipt } from "../receipt/receipt.ts";

/** A summary of the receipt for tools that read cards. It is the last line of a card. */
export function machineFacts(receipt: Receipt) {
  const { engine, base, plan, evaluation } = receipt;
  const {
    propagation,
    repair,
    floors,
    domainWeights: _,
    proxy,
    sensitivity,
    ...options
  } = receipt.options;
  return {
    engine: engine.name,
    version: engine.version,
    ...(engine.recipe > 0 && { recipe: engine.recipe }),
    kernelSha256: engine.kernelSha256,
    base: base.id,
    revision: base.revision,
    tier: plan.tier,
    ...options,
    ...(propagation !== null && { propagation }),
    ...(repair !== null && { repair }),
    ...(floors !== null && { floors: formatFloors(floors) }),
    ...(proxy !== null && { sensitivityProxy: proxy }),
    ...(sensitivity !== null && { sensitivitySha256: sensitivity }),
    ...(receipt.calibration !== null && { calibrationSha256: receipt.calibration.sha256 }),
    ...(receipt.evaluationRows !== null && { evaluationSha256: receipt.evaluationRows.sha256 }),
    bpw: plan.bpw,
    fileBpw: plan.fileBpw,
    bytes: plan.bytes,
    ...(evaluation !== null && {
      meanKl: evaluation.meanKl,
      ...(evaluation.meanKlError !== null && { meanKlError: evaluation.meanKlError }),
      forcedMeanKl: evaluation.forcedMeanKl,
      sameTop: evaluation.sameTop,
      perplexityRatio: evaluation.perplexityRatio,
      ...(evaluation.routerAgreement !== null && { routerAgreement: evaluation.routerAgreement }),
    }),
  };
}

/** A value, or null where it is missing or wrong: a card may be of any version, or edited. */
const perhaps = <T>(schema: v.GenericSchema<unknown, T>) => v.fallback(v.nullable(schema), null);

const figuresSchema = v.object({
  base: perhaps(line),
  revision: perhaps(line),
  version: perhaps(line),
  recipe: perhaps(count),
  method: perhaps(line),
  policy: perhaps(line),
  bytes: perhaps(count),
  bpw: perhaps(amount),
  meanKl: perhaps(amount),
  meanKlError: perhaps(amount),
  sameTop: perhaps(share),
  perplexityRatio: perhaps(amount),
  routerAgreement: perhaps(share),
});
/** What a card claims in numbers. null: it says nothing. */
export type CardFigures = v.InferOutput<typeof figuresSchema>;

/** The figures of a receipt, as its card states them. */
export function figuresOf(receipt: Receipt): CardFigures {
  return v.parse(figuresSchema, machineFacts(receipt));
}

/** The figures that a card states in its last line; null if it has no such line. */
export function readFigures(card: string): CardFigures | null {
  const [, json] = /<!-- oqe-publisher (\{[^\n]*\}) -->\s*$/.exec(card) ?? [];
  if (json === undefined) return null;
  try {
    return v.parse(figuresSchema, JSON.parse(json));
  } catch {
    return null;
  }
}
