import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import { type Matrix, rowsOf, sharedFloats } from "../kernel/matrix.ts";
import type { Ops } from "../models/ops.ts";
import type { Routing } from "../models/routing.ts";
import { type Model, openHead, type RunOptions, runModel } from "../models/run.ts";

/** The base's results on some rows of text. */
export interface Reference {
  readonly base: Model;
  readonly rows: CalibrationIds;
  /** Input of its head: `[positions, hidden]`. */
  readonly hidden: Matrix;
  /** Its choices of experts by layer, without scores, which would take most of the memory. */
  readonly routes: ReadonlyMap<number, Routing>;
}

/** How a model differs from its base, by position, in the order of the rows. */
export interface Divergence {
  /** KL(base ‖ model) `[positions]` in nats, over the full vocabulary in float64. */
  readonly divergence: Float64Array;
  /**
   * Log-probability of the next token under the base and under the model. NaN at the last position
   * of a row, which has no next token.
   */
  readonly base: Float64Array;
  readonly model: Float64Array;
  /** 1 if the same token is the likeliest under both, else 0. */
  readonly sameTop: Uint8Array;
  /**
   * Share of the base's choices of experts that the model also made, by layer. Empty without
   * routers.
   */
  readonly routerAgreement: ReadonlyMap<number, number>;
  /** Share of tokens whose whole set of experts is the same, by layer. */
  readonly exactRoutes: ReadonlyMap<number, number>;
}

type Progress = RunOptions["progress"];

/** Positions whose logits are in memory at once. */
const positionsAtOnce = 512;

/** Runs the base once over the rows. */
export async function observe(
  base: Model,
  rows: CalibrationIds,
  progress?: Progress,
): Promise<Reference> {
  const routes = new Map<number, Routing>();
  const hidden = await runModel(base, rows.ids, {
    length: rows.length,
    routes: (layer, own) => {
      // A model that follows these routes has its own scores.
      routes.set(layer, { ...own, scores: sharedFloats(0) });
      return own;
    },
    ...(progress && { progress }),
  });
  return { base, rows, hidden, routes };
}

/**
 * Runs a model over the same rows. `forced`: it follows the base's choice of experts, with weights
 * of its own router.
 */
export async function diverge(
  reference: Reference,
  model: Model,
  forced: boolean,
  progress?: Progress,
): Promise<Divergence> {
  const { rows } = reference;
  const [routerAgreement, exactRoutes] = [new Map<number, number>(), new Map<number, number>()];
  const hidden = await runModel(model, rows.ids, {
    length: rows.length,
    routes: (layer, own) => {
      const theirs = reference.routes.get(layer)!;
      const { same, exact } = agreement(theirs, own);
      routerAgreement.set(layer, same);
      exactRoutes.set(layer, exact);
      return forced ? theirs : own;
    },
    ...(progress && { progress }),
  });
  const results = await compareAll(reference, model, hidden);
  const positions = rows.ids.length;
  const column = (i: number) =>
    Float64Array.from({ length: positions }, (_, t) => results[4 * t + i]!);
  const scored = (i: number) =>
    column(i).map((value, t) => ((t + 1) % rows.length === 0 ? Number.NaN : value));
  return {
    divergence: column(0),
    base: scored(1),
    model: scored(2),
    sameTop: Uint8Array.from(column(3)),
    routerAgreement,
    exactRoutes,
  };
}

async function compareAll({ base, rows, hidden: own }: Reference, model: Model, hidden: Matrix) {
  const next = new Uint32Array(new SharedArrayBuffer(4 * rows.ids.length));
  next.set(rows.ids.subarray(1));
  const compared = { hidden, head: await openHead(model) };
  const reference = { hidden: own, head: await openHead(base) };
  const [result] = await compareHidden(model.ops, { base: reference, models: [compared], next });
  return result!;
}

/** Makes logits `[positions, vocabulary]` of hidden states (openHead). */
export type Head = (hidden: Matrix) => Promise<Matrix>;

/** Hidden states `[positions, hidden]` and the head that multiplies them. */
export interface Predictions {
  readonly hidden: Matrix;
  readonly head: Head;
}

export interface Comparison {
  readonly base: Predictions;
  readonly models: readonly Predictions[];
  /** The token that follows each position. */
  readonly next: Uint32Array<SharedArrayBuffer>;
}

/**
 * Compares the next-token distributions of some models with the base's. Returns for each model
 * `[positions, 4]` as in CompareJob. The base's logits are made once for all models.
 */
export async function compareHidden(
  ops: Ops,
  { base, models, next }: Comparison,
): Promise<readonly Float64Array<SharedArrayBuffer>[]> {
  const { rows } = base.hidden;
  const results = models.map(() => new Float64Array(new SharedArrayBuffer(32 * rows)));
  for (let start = 0; start < rows; start += positionsAtOnce) {
    const end = Math.min(rows, start + positionsAtOnce);
    const logits = ({ hidden, head }: Predictions) => head(rowsOf(hidden, start, end));
    const once = logits(base);
    for (const [i, model] of models.entries()) {
      const [ours, theirs] = await Promise.all([once, logits(model)]);
      await ops.shareOut(end - start, (from, to) =>
        ops.kernel.run("compare", {
          base: rowsOf(ours, from, to),
          model: rowsOf(theirs, from, to),
          next: next.subarray(start + from, start + to),
          out: results[i]!.subarray(4 * (start + from), 4 * (start + to)),
        }),
      );
    }
  }
  return results;
}

/** Share of the base's choices that the model also made, and of tokens with the same set. */
function agreement(base: Routing, model: Routing): { same: number; exact: number } {
  let [both, exact] = [0, 0];
  for (let token = 0; token < base.tokens; token++) {
    const chosen = (routing: Routing) =>
      routing.experts.subarray(
        token * routing.candidates,
        token * routing.candidates + routing.perToken,
      );
    const theirs = chosen(base);
    let common = 0;
    for (const expert of chosen(model)) if (theirs.includes(expert)) common++;
    both += common;
    if (common === base.perToken) exact++;
  }
  return { same: both / (base.tokens * base.perToken), exact: exact / base.tokens };
}
