import { bytesPerElement } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { type Matrix, newMatrix, rowsOf, sharedBytes, type Weight } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import { fisherWeights, groupRows, type HeadGroups, positionsAtOnce } from "./head-groups.ts";
import {
  addScaled,
  collect,
  type Gram,
  type Hessian,
  makeHessian,
  newGram,
  traceOf,
} from "./hessian.ts";
import { rowsOfWeight, type TuneOptions, tuneMatrix } from "./tune-matrix.ts";
import { newTunedRows, type TunedRows } from "./tuned-rows.ts";
import { addSums, type MutableSums, noSums, type TunedSums } from "./tuned-sums.ts";
import type { TuningTools } from "./tuning-tools.ts";

/** Least rows per group: a Hessian for fewer is not worth its factor. */
const rowsPerGroup = 64;

export interface HeadResult {
  /** One whole matrix for each width that is wanted; without codes if these were written. */
  readonly parts: readonly TunedRows[];
  readonly sums: readonly TunedSums[];
  /** Sums of the `sampledWidths`, over their rows alone. */
  readonly sampledSums: readonly TunedSums[];
  /** The most damped Hessian of all groups, for the record. */
  readonly hessian: Hessian;
}

/** What a head is tuned for. */
export interface HeadOptions {
  readonly widths: readonly Width[];
  /** Those of the widths whose codes are wanted. Default: all. */
  readonly stored?: readonly Width[];
  /** Widths whose sums alone are wanted, over some rows of every group. Default: none. */
  readonly sampledWidths?: readonly Width[];
  /** As in TuneOptions. */
  readonly sampled?: boolean;
  /** Positions that rows are grouped by. Default: as many as tuning needs (head-groups.ts). */
  readonly contexts?: number | undefined;
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
  const inputs = await openHeadInputs(tools, { head, x, contexts: options.contexts });
  const [result] = await tuneGroups(tools, inputs, [options]);
  inputs.all.release();
  return result!;
}

/** Groups the rows of a head. The caller releases `all`. */
export async function openHeadInputs(
  { ops, kernel, settings, hessianBuffers }: TuningTools,
  { head, x, contexts }: Pick<HeadInputs, "head" | "x"> & Pick<HeadOptions, "contexts">,
): Promise<HeadInputs> {
  const count = Math.max(1, Math.min(settings.headGroups, Math.floor(head.rows / rowsPerGroup)));
  const logits = newMatrix(Math.min(positionsAtOnce, x.rows), head.rows);
  const groups = await groupRows(ops, head, x, { count, logits, positions: contexts });
  const fisher = await fisherWeights(ops, head, x, { groups, logits });
  const all = newGram(hessianBuffers, x.columns);
  const workspace = newMatrix(Math.min(weighedRows, x.rows), x.columns);
  await addWeighed(kernel, all, { x, fisher, workspace }, null);
  return { head, x, groups, fisher, all, workspace };
}

/**
 * Adds the rows to a Gram matrix, each with its weight. Returns the sums of weights and squares.
 */
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

/** Of a group's rows, every eighth is in the sample. */
const sampledEvery = 8;

/** Tunes every group of rows with its Hessian, in each of some ways. */
export async function tuneGroups(
  tools: TuningTools,
  inputs: HeadInputs,
  ways: readonly HeadOptions[],
): Promise<readonly HeadResult[]> {
  const { groups } = inputs;
  const open: OpenWay[] = [];
  for (const options of ways) open.push(await openWay(tools, inputs, options));
  for (let group = 0; group < groups.count; group++) {
    const members = [...groups.labels.keys()].filter((row) => groups.labels[row] === group);
    if (members.length === 0) continue;
    const gram = await groupGram(tools, inputs, group);
    for (const way of open) {
      const hessian = await groupHessian(tools, gram, way);
      await tuneGroup(tools, inputs.head, { way, members, hessian });
      hessian.release();
    }
    gram.release();
  }
  for (const { all } of open) if (all !== inputs.all) all.release();
  return open.map(({ parts, sums, sampledSums, worst }) => {
    return { parts, sums, sampledSums, hessian: worst! };
  });
}

/** One way to tune a head, and its results so far. */
interface OpenWay {
  readonly options: HeadOptions;
  /** The sum over all groups that their Hessians are shrunk towards. */
  readonly all: Gram;
  readonly parts: readonly TunedRows[];
  readonly sums: readonly MutableSums[];
  readonly sampledSums: readonly MutableSums[];
  worst: Hessian | null;
}

async function openWay(
  tools: TuningTools,
  { head, all }: HeadInputs,
  options: HeadOptions,
): Promise<OpenWay> {
  const { widths, stored = widths, sampledWidths = [], lookup = null, writeCodes } = options;
  const { rows, columns } = head;
  const parts = stored.map((width) => {
    const part = newTunedRows(width, { rows, columns, store: tools.storage });
    return writeCodes === undefined ? part : { ...part, words: none };
  });
  return {
    ...{ options, parts, worst: null },
    all: await mixed(tools, all, lookup),
    sums: widths.map(noSums),
    sampledSums: sampledWidths.map(noSums),
  };
}

interface TunedGroup {
  readonly way: OpenWay;
  readonly members: readonly number[];
  readonly hessian: Hessian;
}

async function tuneGroup(
  tools: TuningTools,
  head: Weight,
  { way, members, hessian }: TunedGroup,
): Promise<void> {
  const { widths, stored = widths, sampledWidths = [], sampled = false, writeCodes } = way.options;
  const common = { hessian, sweeps: tools.settings.sweeps, alone: true, sampled };
  const tune = (rows: readonly number[], own: Pick<TuneOptions, "widths" | "write">) =>
    tuneMatrix(tools, rowsOfWeight(gatherRows(head, rows)), { ...common, ...own });
  const write = async (part: TunedRows) => {
    const whole = way.parts[stored.indexOf(part.width)];
    if (whole === undefined) return;
    scatter(part, whole, members);
    if (writeCodes !== undefined) await writeScattered(part, members, writeCodes);
  };
  const sums = await tune(members, { widths, write });
  for (const [i, sum] of sums.entries()) addSums(way.sums[i]!, sum);
  if (way.worst === null || hessian.damping > way.worst.damping) way.worst = hessian;
  if (sampledWidths.length === 0) return;
  const some = members.filter((_, i) => i % sampledEvery === 0);
  const ofSome = await tune(some, { widths: sampledWidths, write: async () => {} });
  for (const [i, sum] of ofSome.entries()) addSums(way.sampledSums[i]!, sum);
}

/** The group's Gram matrix. Its tokens are the effective sample size. */
async function groupGram(
  { kernel, hessianBuffers }: TuningTools,
  inputs: HeadInputs,
  group: number,
): Promise<Gram> {
  const gram = newGram(hessianBuffers, inputs.x.columns);
  const { sum, squares } = await addWeighed(kernel, gram, inputs, group);
  // As many tokens of equal weight would be worth the same.
  gram.tokens = squares > 0 ? (sum * sum) / squares : 0;
  return gram;
}

async function groupHessian(tools: TuningTools, gram: Gram, way: OpenWay): Promise<Hessian> {
  const { pooledStrength: strength, curvature } = tools.settings;
  const own = await mixed(tools, gram, way.options.lookup ?? null);
  const shrinkage = { target: way.all, strength };
  const hessian = await makeHessian(tools, own, { shrinkage, curvature });
  if (own !== gram) own.release();
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
  sum.tokens = gram.tokens;
  await addScaled(kernel, sum, gram, 1);
  if (trace > 0) await addScaled(kernel, sum, lookup.gram, (share * traceOf(gram)) / trace);
  return sum;
}

/** Some rows of a matrix, as a matrix of their own. */
export function gatherRows({ bytes, dtype, columns }: Weight, rows: readonly number[]): Weight {
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
