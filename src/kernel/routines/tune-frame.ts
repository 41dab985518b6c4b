import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, dtypeCode, Layout, memory } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
import { packedBytes } from "../packed.ts";
import type { Fail } from "../routine.ts";
import { struct } from "../struct.ts";
import { checkTriangle } from "../triangle.ts";
import { checkShape, checkWidth, type Width } from "../width.ts";

/** Rows of a weight, as exports/tuning.rs takes them. */
export interface TuneFrame {
  /**
   * Weights `[rows, columns]` in `from`, row-major, columns in natural order: one for all tasks, or
   * one for each.
   */
  readonly sources: readonly Uint8Array<SharedArrayBuffer>[];
  readonly from: FloatDtype;
  readonly rows: number;
  readonly columns: number;
  /** Dtype of scales and biases. */
  readonly store: FloatDtype;
  /**
   * R `[columns, columns]`, its upper triangle (triangle.ts): H = RᵀR, rows and columns in `order`.
   * Null: columns cannot compensate each other's errors. Then scales are searched, codes are the
   * nearest, and losses are Σ diagonal · e².
   */
  readonly factor: Float32Array<SharedArrayBuffer> | null;
  /**
   * Natural column of each position. Codes are chosen from the last position to the first. Null if
   * the factor is null.
   */
  readonly order: Uint32Array<SharedArrayBuffer> | null;
  /**
   * Weight of each column's error in the search for scales, natural order: the diagonal of H. Null:
   * all columns count the same.
   */
  readonly diagonal: Float32Array<SharedArrayBuffer> | null;
  /**
   * Whether the loss of plain rounding is computed for a sample of the rows alone, and for others
   * only until it is known to be the larger one. Default: false.
   */
  readonly sampled?: boolean;
  /** Number of the first row within its matrix: the sample is counted from there. Default: 0. */
  readonly first?: number;
  /**
   * How many of the columns that were visited last descent checks, a multiple of 128. Scales and
   * biases are fitted only if these are all columns. Default: all, up to 5,120 columns.
   */
  readonly window?: number | undefined;
}

/** The work at one width. */
export interface TuneTask extends Width {
  /**
   * Passes of coordinate descent over all finished columns, after each block of columns. At the end
   * scales and biases are fitted to the codes. 0: neither (plain GPTQ).
   */
  readonly sweeps: number;
}

export const TuneCall = struct({
  rows: "usize",
  columns: "usize",
  store: "usize",
  from: "usize",
  order: "usize",
  importance: "usize",
  tasks: "usize",
  count: "usize",
  sources: "usize",
  sampled: "usize",
  first: "usize",
  window: "usize",
  workspace: "usize",
});

/** One of the tasks of a TuneCall. */
export const TaskCall = struct({
  bits: "usize",
  groupSize: "usize",
  sweeps: "usize",
  refit: "usize",
  weights: "usize",
  words: "usize",
  scales: "usize",
  biases: "usize",
  sums: "usize",
  nonFinite: "f64",
});

/** Numbers that the kernel gives for each row of a task: the fields of RowSums in tuned.rs. */
export const numbersPerRow = 4;

/** Where a job lies in the arena. */
export interface Prepared {
  /** Address of the TuneCall. */
  readonly call: number;
  readonly rows: number;
  readonly atFactor: number;
  /** Memory for `columns` more float32. */
  readonly atPivots: number;
  /** Addresses of the results of each task. */
  readonly results: readonly TaskPlaces[];
  /** By task: NaN and ±Inf among the weights. If there are any, the job ends here. */
  readonly nonFinite: readonly number[];
}

interface TaskPlaces {
  readonly words: number;
  readonly scales: number;
  readonly biases: number;
  readonly sums: number;
}

/** At 8 bits the stored scale is too coarse for a fit to improve it. */
const mostRefitted = 6;

/** Calls `fail` where an operand contradicts the others. */
export function checkFrame(frame: TuneFrame, tasks: readonly TuneTask[], fail: Fail): void {
  const { rows, columns, factor, order, diagonal, sources } = frame;
  checkShape(frame, fail);
  if (tasks.length === 0) fail("there is no width");
  if (sources.length !== 1 && sources.length !== tasks.length)
    fail(`${sources.length} weights for ${tasks.length} widths`);
  const expected = rows * columns * bytesPerElement[frame.from]!;
  for (const { byteLength } of sources)
    if (byteLength !== expected) fail(`weights have ${byteLength} bytes, expected ${expected}`);
  for (const task of tasks) {
    checkWidth(task, columns, fail);
    if (!Number.isSafeInteger(task.sweeps) || task.sweeps < 0)
      fail(`${task.sweeps} sweeps, expected a whole number from 0`);
  }
  const { window = 128 } = frame;
  if (!Number.isSafeInteger(window) || window < 128 || window % 128 !== 0)
    fail(`a window of ${window} columns, expected a multiple of 128`);
  if (diagonal && diagonal.length !== columns) fail(`the diagonal has ${diagonal.length} elements`);
  if ((factor === null) !== (order === null))
    fail("expected both a factor and its order, or neither");
  if (!factor || !order) return;
  checkTriangle("the factor", factor, columns, fail);
  const isPermutation = new Set(order).size === columns && order.every((at) => at < columns);
  if (order.length !== columns || !isPermutation)
    fail("the order is not a permutation of the columns");
}

/** Lays out rows `[start, end)` in the arena, rounds them plainly and searches their scales. */
export function prepare(
  frame: TuneFrame,
  tasks: readonly TuneTask[],
  start: number,
  end: number,
): Prepared {
  const { columns, order, diagonal, sources } = frame;
  const job = { frame, tasks, rows: end - start, first: (frame.first ?? 0) + start };
  const layout = new Layout();
  const head = {
    call: layout.place(TuneCall.bytes),
    tasks: layout.place(TaskCall.bytes * tasks.length),
  };
  // The kernel says how much workspace it needs before the rest of the arena is laid out.
  const before = layout.claim();
  writeCalls(before, job, { ...nowhere, ...head });
  const workspace = wasm.tune_workspace(before + head.call);
  const offsets = {
    ...head,
    ...placeOperands(job, layout),
    workspace: layout.place(8 * workspace),
  };
  const base = layout.claim();
  const results = writeCalls(base, job, offsets);
  if (order) new Uint32Array(memory.buffer, base + offsets.order, columns).set(order);
  const importance = new Float32Array(memory.buffer, base + offsets.importance, columns);
  if (diagonal) importance.set(diagonal);
  else importance.fill(1);
  const rowBytes = columns * bytesPerElement[frame.from]!;
  for (const [i, weights] of sources.entries())
    copyIn(base + offsets.weights[i]!, weights, start * rowBytes, end * rowBytes);
  wasm.tune_prepare(base + offsets.call);
  const nonFinite = tasks.map((_, i) => TaskCall.read(taskAt(base + offsets.tasks, i)).nonFinite);
  const [atFactor, atPivots] = [base + offsets.factor, base + offsets.pivots];
  return { call: base + offsets.call, rows: job.rows, atFactor, atPivots, results, nonFinite };
}

interface RowsJob {
  readonly frame: TuneFrame;
  readonly tasks: readonly TuneTask[];
  readonly rows: number;
  readonly first: number;
}

/** Where operands lie, from the start of the arena. */
interface Operands {
  readonly order: number;
  readonly importance: number;
  readonly pivots: number;
  readonly factor: number;
  /** By source. */
  readonly weights: readonly number[];
  /** By task. */
  readonly results: readonly TaskPlaces[];
}

interface Offsets extends Operands {
  readonly call: number;
  readonly tasks: number;
  readonly workspace: number;
}

const nowhere = {
  order: 0,
  importance: 0,
  pivots: 0,
  factor: 0,
  weights: [],
  results: [],
  workspace: 0,
};

function placeOperands({ frame, tasks, rows }: RowsJob, layout: Layout): Operands {
  const { columns, store, from, sources, factor } = frame;
  const blockRows = factor ? Math.min(wasm.tune_block_size(), columns) : 0;
  return {
    order: layout.place(4 * columns),
    importance: layout.place(4 * columns),
    pivots: layout.place(4 * columns),
    factor: layout.place(4 * blockRows * columns),
    weights: sources.map(() => layout.place(rows * columns * bytesPerElement[from]!)),
    results: tasks.map((task) => {
      const { words, scales, biases } = packedBytes({ rows, columns }, task, store);
      return {
        words: layout.place(words),
        scales: layout.place(scales),
        biases: layout.place(biases),
        sums: layout.place(8 * numbersPerRow * rows),
      };
    }),
  };
}

const taskAt = (tasks: number, i: number) => tasks + i * TaskCall.bytes;

/** Writes the call and its tasks. Returns the addresses of the results. */
function writeCalls(base: number, job: RowsJob, offsets: Offsets): readonly TaskPlaces[] {
  const { frame, tasks, rows, first } = job;
  const { columns, store, from, sources, order } = frame;
  TuneCall.write(base + offsets.call, {
    rows,
    columns,
    store: dtypeCode[store],
    from: dtypeCode[from],
    order: order ? base + offsets.order : 0,
    importance: base + offsets.importance,
    tasks: base + offsets.tasks,
    count: tasks.length,
    sources: sources.length,
    sampled: Number(frame.sampled === true),
    first,
    window: frame.window ?? 0,
    workspace: base + offsets.workspace,
  });
  return tasks.map(({ bits, groupSize, sweeps }, i) => {
    const { words, scales, biases, sums } = offsets.results[i] ?? noResults;
    const weights = offsets.weights[Math.min(i, sources.length - 1)] ?? 0;
    const places = {
      words: base + words,
      scales: base + scales,
      biases: base + biases,
      sums: base + sums,
    };
    const refit = Number(bits <= mostRefitted);
    const task = { bits, groupSize, sweeps, refit, weights: base + weights, nonFinite: 0 };
    TaskCall.write(taskAt(base + offsets.tasks, i), { ...task, ...places });
    return places;
  });
}

const noResults: TaskPlaces = { words: 0, scales: 0, biases: 0, sums: 0 };
