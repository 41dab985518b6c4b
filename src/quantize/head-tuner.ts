import { bytesPerElement } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { type Matrix, newMatrix, rowsOf, sharedBytes, type Weight } from "../kernel/matrix.ts";
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
  /** One whole matrix for each width that is wanted; without codes if these were written. */
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
  /**
   * Receives the codes of some rows, without scales and biases, as soon as they are found. Default:
   * the result has them.
   */
  readonly writeCodes?: (part: TunedRows) => Promise<void>;
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
  /** Memory for some weighed rows. */
  readonly workspace: Matrix;
}

/** Rows that are weighed at once: whole slabs of a sum of products, so that no sum changes. */
export const weighedRows = 4096;

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
  const workspace = newMatrix(Math.min(weighedRows, x.rows), x.columns);
  await addWeighed(kernel, all, { x, fisher, workspace }, null);
  return { head, x, groups, fisher, all, workspace };
}

/** Adds the rows to a Gram matrix, each with its weight. Returns the sums of weights and squares. */
async function addWeighed(
  kernel: Kernel,
  gram: Gram,
  { x, fisher, workspace }: Pick<HeadInputs, "x" | "fisher" | "workspace">,
  kind: number | null,
): Promise<{ readonly sum: number; readonly squares: number }> {
  let before = { sum: 0, squares: 0 };
  for (let start = 0; start < x.rows; start += weighedRows) {
    const end = Math.min(x.rows, start + weighedRows);
    const y = rowsOf(workspace, 0, end - start);
    const weights = rowsOf(fisher, start, end);
    before = await kernel.run("weigh", { x: rowsOf(x, start, end), weights, kind, y, before });
    await collect(kernel, gram, y);
  }
  return before;
}

/** Tunes every group of rows with its Hessian. */
export async function tuneGroups(
  tools: TuningTools,
  inputs: HeadInputs,
  { widths, stored = widths, lookup = null, writeCodes }: HeadOptions,
): Promise<HeadResult> {
  const { settings, storage: store } = tools;
  const { head, groups } = inputs;
  const { rows, columns } = head;
  const all = await mixed(tools, inputs.all, lookup);
  const parts = stored.map((width) => {
    const part = newTunedRows(width, { rows, columns, store });
    return writeCodes === undefined ? part : { ...part, words: none };
  });
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
        if (whole === undefined) return;
        scatter(part, whole, members);
        if (writeCodes !== undefined) await writeScattered(part, members, writeCodes);
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
  { all, ...inputs }: HeadInputs,
  { group, lookup }: { readonly group: number; readonly lookup: Lookup | null },
): Promise<Hessian> {
  const { kernel, settings, hessianBuffers } = tools;
  const gram = newGram(hessianBuffers, inputs.x.columns);
  const { sum, squares } = await addWeighed(kernel, gram, inputs, group);
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
  const sum = newGram(hessianBuffers, gram.columns);
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

const none = sharedBytes(0);

/** Copies a group's rows to their places in the whole matrix. */
function scatter(part: TunedRows, whole: TunedRows, rows: readonly number[]): void {
  for (const name of ["words", "scales", "biases"] as const) {
    if (whole[name].length === 0) continue;
    const size = part[name].length / part.rows;
    for (let i = 0; i < part.rows; i++) {
      whole[name].set(part[name].subarray(i * size, (i + 1) * size), rows[part.start + i]! * size);
    }
  }
}

/** Writes the codes of a group's rows, neighbours in the matrix together. */
async function writeScattered(
  { words, width, ...part }: TunedRows,
  rows: readonly number[],
  write: (part: TunedRows) => Promise<void>,
): Promise<void> {
  const size = words.length / part.rows;
  for (let i = 0, end = 0; i < part.rows; i = end) {
    const start = rows[part.start + i]!;
    for (end = i + 1; end < part.rows && rows[part.start + end] === start + end - i; ) end++;
    const codes = { words: words.subarray(i * size, end * size), scales: none, biases: none };
    await write({ width, start, rows: end - i, ...codes });
  }
}
