import { bytesPerElement } from "../kernel/dtype.ts";
import { inOrder } from "../kernel/in-order.ts";
import { Cutter } from "../kernel/lease.ts";
import { type Weight, weightRows } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import type { Hessian } from "./hessian.ts";
import type { TunedRows } from "./tuned-rows.ts";
import type { TuningTools } from "./tuning-tools.ts";

/** A matrix `[rows, columns]` that is read in ranges of rows. */
export interface MatrixRows {
  readonly rows: number;
  readonly columns: number;
  /** Rows `[start, end)`. */
  read(start: number, end: number): Promise<Weight>;
}

/** A matrix in memory as one that is read in ranges of rows. */
export function rowsOfWeight(weight: Weight): MatrixRows {
  const { rows, columns } = weight;
  return { rows, columns, read: async (start, end) => weightRows(weight, start, end) };
}

/** How a matrix is tuned. */
export interface TuneOptions {
  /** Null: every column counts alike. */
  readonly hessian: Hessian | null;
  readonly widths: readonly Width[];
  /** Coordinate-descent sweeps after the GPTQ sweep, by width. */
  readonly sweeps: (width: Width) => number;
  /** Receives every part once. The part's memory is reused after the call. */
  readonly write: (part: TunedRows) => Promise<void>;
}

/** Result of tuning a matrix at one width: sums over its rows. */
export interface TunedSums {
  /** tr(E H Eᵀ) of the stored values. H is the Hessian as used: shrunk and damped. */
  readonly loss: number;
  /** The same for plain rounding. */
  readonly roundedLoss: number;
  /** Rows that stayed rounded because tuning did not improve them. */
  readonly roundedRows: number;
  readonly rows: number;
  /** Σ (w − ŵ)² and Σ w². */
  readonly squaredError: number;
  readonly weightEnergy: number;
  readonly nonFinite: number;
}

type MatrixTools = Pick<TuningTools, "kernel" | "storage" | "resultBuffers">;

/** Buffers to hold for later: results of the matrices in progress, at four widths each. */
const mostSpare = 32;

/**
 * Rows per job. Every job copies the factor, which costs little compared with the work on this many
 * rows.
 */
const rowsPerJob = 1024;

/**
 * Tunes a matrix at several widths. Rows are independent of each other, so the result does not
 * depend on how they are divided into jobs. Returns the sums of each width.
 */
export async function tuneMatrix(
  tools: MatrixTools,
  matrix: MatrixRows,
  { widths, write, ...options }: TuneOptions,
): Promise<readonly TunedSums[]> {
  const sums = widths.map(noSums);
  const tasks = cutRows(matrix.rows).map(([start, end]) => async () => {
    const weight = await matrix.read(start, end);
    return Promise.all(
      widths.map((width) => tuneRows(tools, { weight, start, width, ...options })),
    );
  });
  for await (const parts of inOrder(tasks, tools.kernel.workers + 1)) {
    for (const [i, { part, answer, release }] of parts.entries()) {
      if (answer.nonFinite === 0) await write(part);
      addSums(sums[i]!, answer);
      release();
    }
  }
  return sums;
}

/** Sums over no rows. */
export function noSums(): MutableSums {
  return {
    loss: 0,
    roundedLoss: 0,
    roundedRows: 0,
    rows: 0,
    squaredError: 0,
    weightEnergy: 0,
    nonFinite: 0,
  };
}

/** `sum += part` */
export function addSums(sum: MutableSums, part: TunedSums): void {
  for (const key of Object.keys(sum) as (keyof TunedSums)[]) sum[key] += part[key];
}

type MutableSums = { -readonly [K in keyof TunedSums]: number };

function cutRows(rows: number): (readonly [number, number])[] {
  const parts = Math.ceil(rows / rowsPerJob);
  return Array.from(
    { length: parts },
    (_, i) => [i * rowsPerJob, Math.min(rows, (i + 1) * rowsPerJob)] as const,
  );
}

export interface RowsJob extends Pick<TuneOptions, "hessian" | "sweeps"> {
  readonly weight: Weight;
  /** Number of the first row within the matrix. */
  readonly start: number;
  readonly width: Width;
}

/** One kernel job: some rows at one width. The part lies in a leased buffer until `release`. */
export async function tuneRows(
  { kernel, storage: store, resultBuffers: buffers }: MatrixTools,
  { weight, start, hessian, width, sweeps }: RowsJob,
) {
  const { bytes: weights, dtype: from, rows, columns } = weight;
  const { bits, groupSize } = width;
  const pairs = ((rows * columns) / groupSize) * bytesPerElement[store]!;
  const cutter = new Cutter();
  const places = [(rows * columns * bits) / 8, pairs, pairs].map((size) => cutter.place(size));
  const buffer = buffers.take(cutter.size);
  const [words, scales, biases] = places.map((place) => place(buffer)) as [
    TunedRows["words"],
    TunedRows["scales"],
    TunedRows["biases"],
  ];
  const packed = { words, scales, biases };
  const factor = hessian?.factor ?? null;
  const order = factor === null ? null : hessian!.order; // unused without a factor
  const diagonal = hessian?.diagonal ?? null;
  const matrix = { weights, from, rows, columns, store, factor, order, diagonal };
  const job = { ...matrix, bits, groupSize, sweeps: sweeps(width), ...packed };
  const answer = { ...(await kernel.run("tune", job)), rows };
  const part: TunedRows = { width, start, rows, ...packed };
  return { part, answer, release: () => buffers.give(buffer, mostSpare) };
}
