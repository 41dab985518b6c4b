import type { FloatDtype } from "../kernel/dtype.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { inOrder } from "../kernel/in-order.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { Cutter, type Leases } from "../kernel/lease.ts";
import type { Width } from "../kernel/width.ts";
import type { Hessian } from "./hessian.ts";
import type { TunedRows } from "./tuned-rows.ts";

/** A matrix of the base, read by rows. */
export interface BaseMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly dtype: FloatDtype;
  /** Bytes of rows `[start, end)`. */
  read(start: number, end: number): Promise<Uint8Array<SharedArrayBuffer>>;
}

/** How codes are chosen. */
export interface TuneOptions {
  readonly store: FloatDtype;
  /** Memory for results, which is given back when they are written. */
  readonly buffers: Leases;
  /** Coordinate-descent sweeps after the GPTQ sweep, by width. */
  readonly sweeps: (width: Width) => number;
}

/** What became of a matrix at one width; sums over its rows. */
export interface TunedSums {
  /** tr(E H Eᵀ) of what is stored, and of plain rounding. H as it was tuned with: shrunk and damped. */
  readonly loss: number;
  readonly roundedLoss: number;
  /** Rows where plain rounding was no worse and was kept. */
  readonly roundedRows: number;
  readonly rows: number;
  /** Σ (w − ŵ)² and Σ w². */
  readonly squaredError: number;
  readonly weightEnergy: number;
  readonly nonFinite: number;
}

/** Spare buffers: what a few matrices under way write at four widths. */
const mostSpare = 32;

/** Rows per job: the factor is copied once a job, which vanishes beside what so many rows have to compute. */
const rowsPerJob = 1024;

/**
 * Tunes a matrix at several widths against one Hessian (null: every column counts alike). Rows are independent, so the result
 * does not depend on how they are cut. `write` gets every part once and copies what it wants to keep.
 */
export async function tuneMatrix(
  kernel: Kernel,
  matrix: BaseMatrix,
  hessian: Hessian | null,
  widths: readonly Width[],
  options: TuneOptions,
  write: (part: TunedRows) => Promise<void>,
): Promise<readonly TunedSums[]> {
  const sums = widths.map(noSums);
  const tasks = cutRows(matrix.rows).map(([start, end]) => async () => {
    const weights = await matrix.read(start, end);
    return Promise.all(
      widths.map((width) =>
        tuneRows(kernel, matrix, { weights, start, rows: end - start }, hessian, width, options),
      ),
    );
  });
  for await (const parts of inOrder(tasks, kernel.workers + 1)) {
    for (const [i, { part, answer, release }] of parts.entries()) {
      if (answer.nonFinite === 0) await write(part);
      addSums(sums[i]!, answer);
      release();
    }
  }
  return sums;
}

/** Sums over no rows, to be added to. */
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

/** One job: rows of a matrix at one width. The part lies in a leased buffer until it is released. */
export async function tuneRows(
  kernel: Kernel,
  { columns, dtype }: Pick<BaseMatrix, "columns" | "dtype">,
  { weights, start, rows }: { weights: Uint8Array<SharedArrayBuffer>; start: number; rows: number },
  hessian: Hessian | null,
  width: Width,
  { store, sweeps, buffers }: TuneOptions,
) {
  const pairs = ((rows * columns) / width.groupSize) * bytesPerElement[store]!;
  const cutter = new Cutter();
  const [words, scales, biases] = [(rows * columns * width.bits) / 8, pairs, pairs].map((n) =>
    cutter.place(n),
  );
  const buffer = buffers.take(cutter.size);
  const part: TunedRows = {
    width,
    start,
    rows,
    words: words!(buffer),
    scales: scales!(buffer),
    biases: biases!(buffer),
  };
  const answer = await kernel.run("tune", {
    weights,
    from: dtype,
    rows,
    columns,
    store,
    factor: hessian?.factor ?? null,
    order: hessian?.factor ? hessian.order : null, // without a factor nothing depends on the order
    diagonal: hessian?.diagonal ?? null,
    bits: width.bits,
    groupSize: width.groupSize,
    sweeps: sweeps(width),
    words: part.words,
    scales: part.scales,
    biases: part.biases,
  });
  return { part, answer: { ...answer, rows }, release: () => buffers.give(buffer, mostSpare) };
}
