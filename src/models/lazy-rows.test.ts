import { afterAll, expect, test } from "vitest";
import { type Matrix, newMatrix } from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import {
  cheapRows,
  type LazyRows,
  madeRows,
  mostMade,
  rowsFrom,
  visitedRows,
} from "./lazy-rows.ts";
import { Ops } from "./ops.ts";

const kernel = await openKernel({ workers: 1 });
afterAll(() => kernel.close());

const [rows, columns, length] = [5000, 2, 100];

function fill(start: number, y: Matrix): void {
  y.data.forEach((_, i) => {
    y.data[i] = start * columns + i;
  });
}

const all = newMatrix(rows, columns);
fill(0, all);

/** The rows, and the number of them that were made so far. */
function making(open: (own: Parameters<typeof cheapRows>[0]) => LazyRows) {
  const count = { made: 0 };
  const make = async (start: number, end: number, y: Matrix) => {
    count.made += end - start;
    fill(start, y);
  };
  return { count, x: open({ rows, columns, make }) };
}

async function visited(x: LazyRows): Promise<number[]> {
  const values: number[] = [];
  await x.each(async ({ data }) => void values.push(...data));
  return values;
}

test.each([
  ["in memory", rowsFrom(all)],
  ["made when they are asked for", making(cheapRows).x],
  ["made by products", making((own) => madeRows(new Ops(kernel), length, own)).x],
  ["too large to stay", making((own) => madeRows(new Ops(kernel), length, own, 100)).x],
])("rows %s are the same, by range, in turn and all together", async (_, x) => {
  expect([...(await x.range(4090, 4100)).data]).toEqual([...all.data.subarray(8180, 8200)]);
  expect(await visited(x)).toEqual([...all.data]);
  expect([...(await x.range(7, 9)).data]).toEqual([...all.data.subarray(14, 18)]);
  expect([...(await x.whole()).data]).toEqual([...all.data]);
});

test("rows that products make are made once, unless they are too large", async () => {
  for (const [most, made] of [
    [4 * rows * columns, rows],
    [4 * rows * columns - 1, 2 * rows],
  ] as const) {
    const { count, x } = making((own) => madeRows(new Ops(kernel), length, own, most));
    await visited(x);
    await x.range(0, rows);
    expect(count.made).toBe(made);
  }
});

test("rows are visited in whole slabs of a sum, fewer at once where they are wide", () => {
  const wide = [2, 8192, 9728, 14_336, 18_944, 28_672];
  expect(wide.map(visitedRows)).toEqual([4096, 4096, 3072, 2048, 1024, 1024]);
  for (const columns of wide.filter((columns) => visitedRows(columns) > 1024))
    expect(4 * columns * visitedRows(columns)).toBeLessThanOrEqual(mostMade);
});
