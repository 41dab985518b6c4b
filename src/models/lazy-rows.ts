import { pieces } from "../ground/pieces.ts";
import { type Matrix, newMatrix, rowsOf } from "../kernel/matrix.ts";
import type { Ops } from "./ops.ts";

/**
 * The rows `[rows, columns]` that a weight multiplies. Some are made when they are asked for, so
 * that not all have to be in memory at once.
 */
export interface LazyRows {
  readonly rows: number;
  readonly columns: number;
  /** Rows `[start, end)`. */
  range(start: number, end: number): Promise<Matrix>;
  /** Visits all rows in order, some at a time. */
  each(visit: (some: Matrix) => Promise<void>): Promise<void>;
  /** All rows. */
  whole(): Promise<Matrix>;
}

/** An input in memory, or one that is made. */
export type Input = Matrix | LazyRows;

/** Bytes of made rows that stay in memory. Products make larger ones again, twice in all. */
export const mostMade = 128 << 20;
/**
 * Rows that are visited at once: whole slabs of a sum of products (tile-product.ts), so that no sum
 * changes.
 */
const [slab, mostSlabs] = [1024, 4];

/** As many of them as stay below `mostMade`, at least one slab. */
export function visitedRows(columns: number): number {
  const slabs = Math.floor(mostMade / (4 * columns * slab));
  return slab * Math.max(1, Math.min(mostSlabs, slabs));
}

export function rowsFrom(x: Input): LazyRows {
  if (!("data" in x)) return x;
  const { rows, columns } = x;
  return {
    ...{ rows, columns },
    range: async (start, end) => rowsOf(x, start, end),
    each: (visit) => visit(x),
    whole: async () => x,
  };
}

/** How rows are made: each by itself, so no value depends on the range that is asked for. */
interface Making {
  readonly rows: number;
  readonly columns: number;
  /** Writes rows `[start, end)` to y. */
  readonly make: (start: number, end: number, y: Matrix) => Promise<void>;
}

/** Rows that cost little: they are made again in every call, in memory of their own. */
export function cheapRows({ rows, columns, make }: Making): LazyRows {
  const range = async (start: number, end: number) => {
    const y = newMatrix(end - start, columns);
    await make(start, end, y);
    return y;
  };
  return {
    ...{ rows, columns, range },
    async each(visit) {
      for (const [start, end] of pieces(rows, visitedRows(columns)))
        await visit(await range(start, end));
    },
    whole: () => range(0, rows),
  };
}

/**
 * Rows that products make. A visit makes all of them, in batches of whole sequences of `length`
 * tokens, and they stay in memory, unless they are too large.
 */
export function madeRows(
  ops: Ops,
  length: number,
  { rows, columns, make }: Making,
  most = mostMade,
): LazyRows {
  const cheap = cheapRows({ rows, columns, make });
  let all: Promise<Matrix> | null = null;
  const makeAll = async () => {
    const y = newMatrix(rows, columns);
    await ops.inBatches(rows, length, (start, end) => make(start, end, rowsOf(y, start, end)));
    return y;
  };
  const whole = () => {
    all ??= makeAll();
    return all;
  };
  return {
    ...{ rows, columns, whole },
    range: async (start, end) =>
      all === null ? cheap.range(start, end) : rowsOf(await all, start, end),
    each: async (visit) => (4 * rows * columns > most ? cheap.each(visit) : visit(await whole())),
  };
}
