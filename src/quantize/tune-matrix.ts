import { inOrder } from "../kernel/in-order.ts";
import { Cutter } from "../kernel/lease.ts";
import { type Weight, weightRows } from "../kernel/matrix.ts";
import { packedBytes } from "../kernel/packed.ts";
import type { TunedOut } from "../kernel/routines/tune.ts";
import { numbersPerRow } from "../kernel/routines/tune-frame.ts";
import { rowsAtOnce } from "../kernel/routines/tune-memory.ts";
import type { Width } from "../kernel/width.ts";
import type { Hessian } from "./hessian.ts";
import type { TunedRows } from "./tuned-rows.ts";
import { RowAdder, type TunedSums } from "./tuned-sums.ts";
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

/** Targets of the codes of a matrix, read in ranges of rows. */
export interface TargetRows extends Omit<MatrixRows, "read"> {
  /** 1 for all widths, or the number of widths. */
  readonly count: number;
  /** Rows `[start, end)` of all targets. */
  read(start: number, end: number): Promise<readonly Weight[]>;
}

/** How a matrix is tuned. */
export interface TuneOptions {
  /** Null: every column counts alike. */
  readonly hessian: Hessian | null;
  readonly widths: readonly Width[];
  /** Coordinate-descent sweeps after the GPTQ sweep, by width. */
  readonly sweeps: (width: Width) => number;
  /**
   * Whether no other matrix is tuned at the same time. Then its rows are divided among all workers,
   * even if that repeats some work. Default: false.
   */
  readonly alone?: boolean;
  /**
   * Whether the loss of plain rounding is estimated from an eighth of the rows. No code depends on
   * it. Default: false.
   */
  readonly sampled?: boolean;
  /** How many columns descent checks, a multiple of 128. Default: all, up to 5,120 columns. */
  readonly window?: number | undefined;
  /** Receives every part once. The part's memory is reused after the call. */
  readonly write: (part: TunedRows) => Promise<void>;
}

type MatrixTools = Pick<TuningTools, "kernel" | "storage" | "resultBuffers">;

/** Buffers to hold for later: results of the matrices in progress, all widths together. */
const mostSpare = 8;

/**
 * Tunes a matrix at several widths. Rows are independent of each other, so the result does not
 * depend on how they are divided into jobs. Returns the sums of each width.
 */
export function tuneMatrix(
  tools: MatrixTools,
  matrix: MatrixRows,
  options: TuneOptions,
): Promise<readonly TunedSums[]> {
  const read: TargetRows["read"] = async (start, end) => [await matrix.read(start, end)];
  return tuneTargets(tools, { ...matrix, count: 1, read }, options);
}

/** As `tuneMatrix`, where each width may have a target of its own. */
export async function tuneTargets(
  tools: MatrixTools,
  targets: TargetRows,
  options: TuneOptions,
): Promise<readonly TunedSums[]> {
  const adders = options.widths.map(() => new RowAdder());
  const ranges = cutRows(tools, targets, options);
  const reads = ranges.map(
    ([start, end]) =>
      async () =>
        tuneRows(tools, { targets: await targets.read(start, end), start, ...options }),
  );
  for await (const { parts, nonFinite, release } of inOrder(reads, tools.kernel.workers + 1)) {
    const usable = nonFinite.every((count) => count === 0);
    for (const [i, { sums, ...part }] of parts.entries()) {
      if (usable) await options.write(part);
      if (usable) adders[i]!.add(sums);
      else adders[i]!.refuse(nonFinite[i]!);
    }
    release();
  }
  return adders.map((adder) => adder.total());
}

/** Least rows per job of a matrix that is tuned alone. */
const leastRows = 64;

/** Ranges of rows, one a job: as few as the memory of a worker allows. */
function cutRows(
  { kernel }: MatrixTools,
  { rows, columns, count }: TargetRows,
  { widths, sweeps, alone = false, window }: TuneOptions,
): (readonly [number, number])[] {
  const tasks = widths.map((width) => ({ ...width, sweeps: sweeps(width) }));
  const wanted = alone ? Math.min(kernel.workers, Math.floor(rows / leastRows)) : 1;
  const jobs = Math.max(
    1,
    wanted,
    Math.ceil(rows / rowsAtOnce(columns, tasks, { sources: count, window })),
  );
  // The kernel works on sixteen rows at a time.
  const each = Math.ceil(rows / jobs / 16) * 16;
  return Array.from(
    { length: Math.ceil(rows / each) },
    (_, i) => [i * each, Math.min(rows, (i + 1) * each)] as const,
  );
}

interface RowsToTune
  extends Pick<TuneOptions, "hessian" | "widths" | "sweeps" | "sampled" | "window"> {
  /** One for all widths, or one for each. */
  readonly targets: readonly Weight[];
  /** Number of the first row within the matrix. */
  readonly start: number;
}

/** One kernel job: some rows at all widths. The parts lie in a leased buffer until `release`. */
async function tuneRows(
  { kernel, storage: store, resultBuffers: buffers }: MatrixTools,
  { targets, start, hessian, widths, sweeps, sampled = false, window }: RowsToTune,
) {
  const { rows, columns, dtype: from } = targets[0]!;
  const cutter = new Cutter();
  const places = widths.map((width) => {
    const bytes = packedBytes({ rows, columns }, width, store);
    return [bytes.words, bytes.scales, bytes.biases, 8 * numbersPerRow * rows].map((size) =>
      cutter.place(size),
    );
  });
  const buffer = buffers.take(cutter.size);
  const out = places.map((parts): TunedOut => {
    const [words, scales, biases, sums] = parts.map((place) => place(buffer)) as Four;
    const numbers = new Float64Array(buffer, sums.byteOffset, numbersPerRow * rows);
    return { words, scales, biases, sums: numbers };
  });
  const factor = hessian?.factor ?? null;
  const { nonFinite } = await kernel.run("tune", {
    sources: targets.map(({ bytes }) => bytes),
    ...{ from, rows, columns, store, factor, sampled, first: start, window },
    order: factor === null ? null : hessian!.order, // unused without a factor
    diagonal: hessian?.diagonal ?? null,
    tasks: widths.map((width) => ({ ...width, sweeps: sweeps(width) })),
    out,
  });
  const parts = widths.map((width, i) => ({ width, start, rows, ...out[i]! }));
  return { parts, nonFinite, release: () => buffers.give(buffer, mostSpare) };
}

type Four = [TunedRows["words"], TunedRows["words"], TunedRows["words"], TunedRows["words"]];
