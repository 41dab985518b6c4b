import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assets } from "../ground/assets.ts";
import { copyTriangleIn, copyTriangleOut, instantiate, Layout, memory } from "./arena.ts";
import { newTriangle, rowOf, triangleSize } from "./triangle.ts";

instantiate(new WebAssembly.Module(readFileSync(assets.kernel)));

test("its rows follow one another, each from its diagonal on", () => {
  for (const d of [1, 2, 7, 30]) {
    const places: number[] = [];
    for (let i = 0; i < d; i++) for (let j = i; j < d; j++) places.push(rowOf(d, i) + j);
    expect(places).toEqual([...Array(triangleSize(d)).keys()]);
  }
});

test("places are whole numbers in matrices of any width", () => {
  expect(triangleSize(53_248)).toBe(1_417_701_376);
  expect(rowOf(53_248, 53_247) + 53_247).toBe(triangleSize(53_248) - 1);
});

/** Parts on the diagonal, right of it, and with rows that lie below it. */
const parts = [
  { top: 0, bottom: 9, left: 0, right: 9 },
  { top: 2, bottom: 5, left: 2, right: 5 },
  { top: 2, bottom: 5, left: 2, right: 9 },
  { top: 0, bottom: 3, left: 3, right: 9 },
  { top: 1, bottom: 7, left: 4, right: 6 },
  { top: 8, bottom: 9, left: 8, right: 9 },
];

test.each(parts)("a part is copied in and out, and nothing else: %o", (part) => {
  const d = 9;
  const data = newTriangle(d);
  for (const at of data.keys()) data[at] = at + 1;
  const { top, bottom, left, right } = part;
  const count = (bottom - top) * (right - left);
  const layout = new Layout();
  layout.place(4 * count);
  const base = layout.claim();
  const arena = () => new Float32Array(memory.buffer, base, count);
  arena().fill(-1);
  copyTriangleIn(base, { data, d, ...part });
  const inside = (i: number, j: number) =>
    i >= top && i < bottom && j >= Math.max(left, i) && j < right;
  const expected = Array.from({ length: count }, (_, at) => {
    const [i, j] = [top + Math.floor(at / (right - left)), left + (at % (right - left))];
    return inside(i, j) ? data[rowOf(d, i) + j] : -1;
  });
  expect([...arena()]).toEqual(expected);
  arena().set(arena().map((value) => -value));
  const out = newTriangle(d);
  copyTriangleOut(base, { data: out, d, ...part });
  for (let i = 0; i < d; i++) {
    for (let j = i; j < d; j++) {
      const at = rowOf(d, i) + j;
      expect(out[at]).toBe(inside(i, j) ? -data[at]! : 0);
    }
  }
});
