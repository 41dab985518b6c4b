import { bytesPerElement } from "../kernel/dtype.ts";
import { type Matrix, newMatrix, sharedBytes, type Weight } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import { fisherWeights, groupRows } from "./head-groups.ts";
import { collect, type Gram, type Hessian, makeHessian, newGram } from "./hessian.ts";
import { rowsOfWeight, tuneMatrix } from "./tune-matrix.ts";
import { newTunedRows, type TunedRows } from "./tuned-rows.ts";
import { addSums, noSums, type TunedSums } from "./tuned-sums.ts";
import type { TuningTools } from "./tuning-tools.ts";

/** Least rows per group: a Hessian for fewer is not worth its factor. */
const rowsPerGroup = 64;

export interface HeadResult {
  /** One whole matrix per width. */
  readonly parts: readonly TunedRows[];
  readonly sums: readonly TunedSums[];
  /** The most damped Hessian of all groups, for the record. */
  readonly hessian: Hessian;
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
  widths: readonly Width[],
): Promise<HeadResult> {
  const { ops, settings, storage: store } = tools;
  const { rows, columns } = head;
  const count = Math.max(1, Math.min(settings.headGroups, Math.floor(rows / rowsPerGroup)));
  const groups = await groupRows(ops, head, x, count);
  const fisher = await fisherWeights(ops, head, x, groups);
  const inputs = await weighInputs(tools, x, fisher);
  const parts = widths.map((width) => newTunedRows(width, { rows, columns, store }));
  const total = widths.map(noSums);
  let worst: Hessian | null = null;
  for (let group = 0; group < count; group++) {
    const members = [...groups.labels.keys()].filter((row) => groups.labels[row] === group);
    if (members.length === 0) continue;
    const hessian = await groupHessian(tools, inputs, group);
    const sums = await tuneMatrix(tools, rowsOfWeight(gather(head, members)), {
      hessian,
      widths,
      sweeps: settings.sweeps,
      alone: true,
      write: async (part) => scatter(part, parts[widths.indexOf(part.width)]!, members),
    });
    for (const [i, sum] of sums.entries()) addSums(total[i]!, sum);
    if (worst === null || hessian.damping > worst.damping) worst = hessian;
    hessian.release();
  }
  inputs.all.release();
  return { parts, sums: total, hessian: worst! };
}

/** The head's input and its Fisher weights. */
interface WeighedInputs {
  readonly x: Matrix;
  readonly fisher: Matrix;
  /** The rows of `x`, weighed with the sum of all groups' weights. */
  readonly all: Gram;
  /** Memory for the weighed rows of one group. */
  readonly workspace: Matrix;
}

async function weighInputs(
  { kernel, hessianBuffers }: TuningTools,
  x: Matrix,
  fisher: Matrix,
): Promise<WeighedInputs> {
  const all = newGram(hessianBuffers, x.columns);
  const workspace = newMatrix(x.rows, x.columns);
  await kernel.run("weigh", { x, weights: fisher, kind: null, y: workspace });
  await collect(kernel, all, workspace);
  return { x, fisher, all, workspace };
}

async function groupHessian(
  tools: TuningTools,
  { x, fisher, all, workspace: y }: WeighedInputs,
  kind: number,
): Promise<Hessian> {
  const { kernel, settings, hessianBuffers } = tools;
  const { sum, squares } = await kernel.run("weigh", { x, weights: fisher, kind, y });
  const gram = newGram(hessianBuffers, x.columns);
  await collect(kernel, gram, y);
  // The effective sample size: as many tokens of equal weight would be worth the same.
  gram.tokens = squares > 0 ? (sum * sum) / squares : 0;
  const shrinkage = { target: all, strength: settings.pooledStrength };
  const hessian = await makeHessian(tools, gram, { shrinkage, curvature: settings.curvature });
  gram.release();
  return hessian;
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
