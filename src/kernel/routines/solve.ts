import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { pieces } from "../../ground/pieces.ts";
import { copyTriangleIn, Layout, memory } from "../arena.ts";
import { checkMatrix, type Matrix, rowsOf } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { checkTriangle, rowOf } from "../triangle.ts";
import { ProductCall } from "./tile-product.ts";

/**
 * B ← B·H⁻¹ for a symmetric H with a known Cholesky factor: every row b becomes the x with x·H = b.
 */
export interface SolveJob {
  /** R `[d, d]`, its upper triangle (triangle.ts): H = RᵀR, its rows and columns in `order`. */
  readonly factor: Float32Array<SharedArrayBuffer>;
  /** Natural column of each position. */
  readonly order: Uint32Array<SharedArrayBuffer>;
  /** `[rows, d]`, columns in natural order. */
  readonly b: Matrix;
}

/** Positions of R that are in the arena at once. Part of the results' bits. */
const panel = 2048;
/** Elements of B that are in the arena at once. */
const mostOfB = 16 * 2 ** 20;

export const solve: Routine<SolveJob, void> = {
  describe: ({ b }) => `solution for ${b.rows}x${b.columns}`,
  check({ factor, order, b }, fail) {
    const d = order.length;
    checkMatrix("b", b, [b.rows, d], fail);
    checkTriangle("the factor", factor, d, fail);
    if (new Set(order).size !== d || order.some((column) => column >= d))
      fail("the order is not a permutation");
  },
  run({ factor, order, b }) {
    const some = Math.max(1, Math.floor(mostOfB / order.length));
    for (const [start, end] of pieces(b.rows, some))
      solveRows({ factor, order, b: rowsOf(b, start, end) });
  },
};

/** Solves RᵀY = Bᵀ from the first panel to the last, then RX = Y from the last to the first. */
function solveRows({ factor, order, b: { data, rows } }: SolveJob): void {
  const d = order.length;
  const layout = new Layout();
  const size = Math.min(panel, d);
  const offsets = [layout.place(4 * size * size), layout.place(4 * d * rows)] as const;
  const call = layout.place(ProductCall.bytes);
  const base = layout.claim();
  const place = { atPart: base + offsets[0], atB: base + offsets[1], call: base + call, rows };
  // Bᵀ, `[d, rows]`: the kernel solves for columns.
  const columns = new Float32Array(memory.buffer, place.atB, d * rows);
  for (let p = 0; p < d; p++) {
    for (let row = 0; row < rows; row++) columns[p * rows + row] = data[row * d + order[p]!]!;
  }
  const panels = pieces(d, panel);
  for (const [i, own] of panels.entries()) {
    solvePanel(factor, own, { ...place, d });
    for (const later of panels.slice(i + 1)) subtract(factor, [own, later], { ...place, d });
  }
  for (const [i, own] of [...panels.entries()].reverse()) {
    for (const later of panels.slice(i + 1)) subtract(factor, [later, own], { ...place, d });
    solveBackwards(factor, own, { ...place, d });
  }
  // The kernel's memory may have grown, so make a new view.
  const solved = new Float32Array(memory.buffer, place.atB, d * rows);
  for (let p = 0; p < d; p++) {
    for (let row = 0; row < rows; row++) data[row * d + order[p]!] = solved[p * rows + row]!;
  }
}

interface Place {
  readonly d: number;
  readonly rows: number;
  /** A part of R, of at most `panel` rows and columns. */
  readonly atPart: number;
  /** Bᵀ `[d, rows]`. */
  readonly atB: number;
  readonly call: number;
}

/** Positions `[start, end)`. */
type Panel = readonly [start: number, end: number];

function solvePanel(factor: SolveJob["factor"], [start, end]: Panel, place: Place): void {
  const { d, rows, atPart, atB } = place;
  copyTriangleIn(atPart, { data: factor, d, top: start, bottom: end, left: start, right: end });
  wasm.solve(end - start, rows, atPart, atB + 4 * rows * start);
}

/**
 * Solving RX = B equals solving RᵀX = B with rows and columns in reverse order. The triangle stays
 * an upper one.
 */
function solveBackwards(factor: SolveJob["factor"], [start, end]: Panel, place: Place): void {
  const { d, rows, atPart, atB } = place;
  const n = end - start;
  const reverse = () =>
    reverseRows(new Float32Array(memory.buffer, atB + 4 * rows * start, n * rows), n, rows);
  const backwards = new Float32Array(memory.buffer, atPart, n * n);
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) backwards[i * n + j] = factor[rowOf(d, end - 1 - j) + end - 1 - i]!;
  }
  reverse();
  wasm.solve(n, rows, atPart, atB + 4 * rows * start);
  reverse();
}

/** Subtracts from the rows of panel `to` of B what those of panel `from` give by R or Rᵀ. */
function subtract(
  factor: SolveJob["factor"],
  [from, to]: readonly [Panel, Panel],
  { d, rows, atPart, atB, call }: Place,
): void {
  const [depth, height] = [from[1] - from[0], to[1] - to[0]];
  if (from[0] < to[0]) {
    const part = { data: factor, d, top: from[0], bottom: from[1] };
    copyTriangleIn(atPart, { ...part, left: to[0], right: to[1] });
  } else {
    const part = new Float32Array(memory.buffer, atPart, depth * height);
    for (let i = 0; i < height; i++) {
      const row = rowOf(d, to[0] + i) + from[0];
      for (let j = 0; j < depth; j++) part[j * height + i] = factor[row + j]!;
    }
  }
  ProductCall.write(call, {
    left: atPart,
    right: atB + 4 * rows * from[0],
    ...{ depth, height, width: rows, alpha: -1 },
    tile: atB + 4 * rows * to[0],
    upper: 0,
  });
  wasm.add_product(call);
}

function reverseRows(values: Float32Array, count: number, length: number): void {
  for (let low = 0, high = count - 1; low < high; low++, high--) {
    const row = values.slice(low * length, (low + 1) * length);
    values.copyWithin(low * length, high * length, (high + 1) * length);
    values.set(row, high * length);
  }
}
