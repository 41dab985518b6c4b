import { bytesPerElement } from "../kernel/dtype.ts";
import { type Matrix, newMatrix, sharedBytes, type Weight } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import { fisherWeights, groupRows, type HeadGroups } from "./head-groups.ts";
import {
  addScaled,
  collect,
  type Gram,
  type Hessian,
  makeHessian,
  newGram,
  traceOf,
} from "./hessian.ts";
import { rowsOfWeight, tuneMatrix } from "./tune-matrix.ts";
import { newTunedRows, type TunedRows } from "./tuned-rows.ts";
import { addSums, noSums, type TunedSums } from "./tuned-sums.ts";
import type { TuningTools } from "./tuning-tools.ts";

/** Least rows per group: a Hessian for fewer is not worth its factor. */
const rowsPerGroup = 64;

export interface HeadResult {
  /** One whole matrix for each width that is wanted. */
  readonly parts: readonly TunedRows[];
  readonly sums: readonly TunedSums[];
  /** The most damped Hessian of all groups, for the record. */
  readonly hessian: Hessian;
}

/** What a head is tuned for. */
export interface HeadOptions {
  readonly widths: readonly Width[];
  /** Those of the widths whose codes are wanted. Default: all. */
  readonly stored?: readonly Width[];
  /** Of a head that is also the embeddings: how its rows are read when they are looked up. */
  readonly lookup?: Lookup | null;
}

/**
 * The rows of a tied table act twice. Their Hessian is (1 - mix) L / tr L + mix H / tr H, with L
 * from `tableGram` and H that of the head's group.
 */
export interface Lookup {
  readonly gram: Gram;
  /** Share of the head, above 0 to 1. */
  readonly mix: number;
}

/** A head, its input, and the contexts in which its rows matter. */
export interface HeadInputs {
  readonly head: Weight;
  readonly x: Matrix;
  readonly groups: HeadGroups;
  /** Fisher weights `[positions, groups]`. */
  readonly fisher: Matrix;
  /** The rows of `x`, weighed with the sum of all groups' weights. */
  readonly all: Gram;
  /** Memory for the weighed rows of one group. */
  readonly workspace: Matrix;
}

/**
 * Tunes a head `[vocabulary, hidden]` on its input, `x [positions, hidden]`.
 *
 * The head is tuned for the KL of its logits. To second order, KL = ½ Var_p(error of the logits).
 * So the error of token v's row counts at a position with the Fisher weight p_v (1 - p_v): only
 * positions where v is likely matter to its row. Rows whose tokens are likely in the same contexts
 * form a group and share one Hessian, Σ over positions of (Σ of the group's Fisher weights) x xᵀ.
 * It is shrunk towards the sum over all groups.
 */
export async function tuneHeadRows(
  tools: TuningTools,
  head: Weight,
  x: Matrix,
  options: HeadOptions,
): Promise<HeadResult> {
  const inputs = await openHeadInputs(tools, head, x);
  const result = await tuneGroups(tools, inputs, options);
  inputs.all.release();
  return result;
}

/** Groups the rows of a head. The caller releases `all`. */
export async function openHeadInputs(
  { ops, kernel, settings, hessianBuffers }: TuningTools,
  head: Weight,
  x: Matrix,
): Promise<HeadInputs> {
  const count = Math.max(1, Math.min(settings.headGroups, Math.floor(head.rows / rowsPerGroup)));
  const groups = await groupRows(ops, head, x, count);
  const fisher = await fisherWeights(ops, head, x, groups);
  const all = newGram(hessianBuffers, x.columns);
  const workspace = newMatrix(x.rows, x.columns);
  await kernel.run("weigh", { x, weights: fisher, kind: null, y: workspace });
  await collect(kernel, all, workspace);
  return { head, x, groups, fisher, all, workspace };
}

/** Tunes every group of rows with its Hessian. */
export async function tuneGroups(
  tools: TuningTools,
  inputs: HeadInputs,
  { widths, stored = widths, lookup = null }: HeadOptions,
): Promise<HeadResult> {
  const { settings, storage: store } = tools;
  const { head, groups } = inputs;
  const { rows, columns } = head;
  const all = await mixed(tools, inputs.all, lookup);
  const parts = stored.map((width) => newTunedRows(width, { rows, columns, store }));
  const total = widths.map(noSums);
  let worst: Hessian | null = null;
  for (let group = 0; group < groups.count; group++) {
    const members = [...groups.labels.keys()].filter((row) => groups.labels[row] === group);
    if (members.length === 0) continue;
    const hessian = await groupHessian(tools, { ...inputs, all }, { group, lookup });
    const sums = await tuneMatrix(tools, rowsOfWeight(gather(head, members)), {
      hessian,
      widths,
      sweeps: settings.sweeps,
      alone: true,
      write: async (part) => {
        const whole = parts[stored.indexOf(part.width)];
        if (whole !== undefined) scatter(part, whole, members);
      },
    });
    for (const [i, sum] of sums.entries()) addSums(total[i]!, sum);
    if (worst === null || hessian.damping > worst.damping) worst = hessian;
    hessian.release();
  }
  if (all !== inputs.all) all.release();
  return { parts, sums: total, hessian: worst! };
}

async function groupHessian(
  tools: TuningTools,
  { x, fisher, all, workspace: y }: HeadInputs,
  { group: kind, lookup }: { readonly group: number; readonly lookup: Lookup | null },
): Promise<Hessian> {
  const { kernel, settings, hessianBuffers } = tools;
  const { sum, squares } = await kernel.run("weigh", { x, weights: fisher, kind, y });
  const gram = newGram(hessianBuffers, x.columns);
  await collect(kernel, gram, y);
  const own = await mixed(tools, gram, lookup);
  // The effective sample size: as many tokens of equal weight would be worth the same.
  own.tokens = squares > 0 ? (sum * sum) / squares : 0;
  const shrinkage = { target: all, strength: settings.pooledStrength };
  const hessian = await makeHessian(tools, own, { shrinkage, curvature: settings.curvature });
  own.release();
  if (own !== gram) gram.release();
  return hessian;
}

/**
 * H + (1 - mix) / mix · tr H / tr L · L: up to a factor, the even sum that Lookup states. Shrinking
 * two such sums to each other gives the sum of the shrunk H.
 */
async function mixed(
  { kernel, hessianBuffers }: TuningTools,
  gram: Gram,
  lookup: Lookup | null,
): Promise<Gram> {
  if (lookup === null || lookup.mix === 1) return gram;
  const sum = newGram(hessianBuffers, gram.width);
  const share = (1 - lookup.mix) / lookup.mix;
  const trace = traceOf(lookup.gram);
  await addScaled(kernel, sum, gram, 1);
  if (trace > 0) await addScaled(kernel, sum, lookup.gram, (share * traceOf(gram)) / trace);
  return sum;
}

/** Some rows of the head, as a matrix of their own. */
function gather({ bytes, dtype, columns }: Weight, rows: readonly number[]): Weight {
  const size = columns * bytesPerElement[dtype]!;
  const own = sharedBytes(rows.length * size);
  for (const [i, row] of rows.entries())
    own.set(bytes.subarray(row * size, (row + 1) * size), i * size);
  return { bytes: own, dtype, rows: rows.length, columns };
}

/** Copies a group's rows to their places in the whole matrix. */
function scatter(part: TunedRows, whole: TunedRows, rows: readonly number[]): void {
  for (const name of ["words", "scales", "biases"] as const) {
    const size = part[name].length / part.rows;
    for (let i = 0; i < part.rows; i++) {
      whole[name].set(part[name].subarray(i * size, (i + 1) * size), rows[part.start + i]! * size);
    }
  }
}
