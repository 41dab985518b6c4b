import { afterAll, describe, expect, test } from "vitest";
import { type Matrix, newMatrix, rowsOf, sharedFloats, sharedIntegers } from "../matrix.ts";
import { openKernel } from "../pool.ts";
import { plainHeads } from "./attention.ts";
import type { RouterRules } from "./route.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

/** Block edges, and more rows than a slab holds. */
const shapes = [
  [1, 1],
  [3, 63],
  [64, 64],
  [65, 127],
  [700, 65],
] as const;

function numbers(count: number, seed: number): Float32Array<SharedArrayBuffer> {
  const values = sharedFloats(count);
  let state = seed;
  values.forEach((_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = (3 * state) / 2 ** 31;
  });
  return values;
}

const matrix = (rows: number, columns: number, seed: number): Matrix => ({
  data: numbers(rows * columns, seed),
  rows,
  columns,
});
const copyOf = ({ data, rows, columns }: Matrix): Matrix => {
  const copy = newMatrix(rows, columns);
  copy.data.set(data);
  return copy;
};
const integers = (values: readonly number[]) => {
  const shared = sharedIntegers(values.length);
  shared.set(values);
  return shared;
};

/** Compares every element with the formula in float64, up to rounding. */
function expectNear(ours: Float32Array, exact: (i: number) => number, tolerance = 1e-6) {
  const wrong = ours.findIndex(
    (value, i) => !(Math.abs(value - exact(i)) <= tolerance * (1 + Math.abs(exact(i)))),
  );
  if (wrong >= 0)
    expect(`element ${wrong}: ${ours[wrong]}`).toBe(`element ${wrong}: ${exact(wrong)}`);
}

describe.each(shapes)("%i rows of %i", (rows, columns) => {
  const x = matrix(rows, columns, 1);
  const by = matrix(rows, columns, 2);

  test("are normalized", async () => {
    const [weight, y, eps] = [numbers(columns, 3), newMatrix(rows, columns), 1e-5];
    await kernel.run("rmsNorm", { x, weight, eps, y });
    const roots = Array.from({ length: rows }, (_, r) => {
      const row = rowsOf(x, r, r + 1).data;
      return Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / columns + eps);
    });
    expectNear(
      y.data,
      (i) => (x.data[i]! / roots[Math.floor(i / columns)]!) * weight[i % columns]!,
    );
  });

  test("are changed element by element", async () => {
    const [gated, sum] = [copyOf(x), copyOf(x)];
    await kernel.run("elementwise", { what: "swiglu", x: gated, by });
    await kernel.run("elementwise", { what: "add", x: sum, by });
    expectNear(gated.data, (i) => (x.data[i]! / (1 + Math.exp(-x.data[i]!))) * by.data[i]!);
    expectNear(sum.data, (i) => x.data[i]! + by.data[i]!);
  });

  test("are gathered and accumulated by row number", async () => {
    const places = integers(
      Array.from({ length: rows }, (_, r) => (r * 17 + 3) % (rows % 17 === 0 ? rows + 1 : rows)),
    );
    const distinct = integers([...new Set(places)].filter((row) => row < rows));
    const [some, weights, y] = [
      newMatrix(distinct.length, columns),
      numbers(distinct.length, 5),
      copyOf(by),
    ];
    await kernel.run("gather", { x, rows: distinct, y: some });
    expectNear(
      some.data,
      (i) => x.data[distinct[Math.floor(i / columns)]! * columns + (i % columns)]!,
      0,
    );
    await kernel.run("accumulate", { x: some, rows: distinct, weights, y });
    expectNear(y.data, (i) => {
      const at = distinct.indexOf(Math.floor(i / columns));
      return by.data[i]! + (at < 0 ? 0 : weights[at]! * x.data[i]!);
    });
  });
});

test.each(["F32", "F16", "BF16"] as const)(
  "%s embeddings are looked up piece by piece",
  async (dtype) => {
    const [vocabulary, columns] = [40, 65];
    const table = matrix(vocabulary, columns, 7);
    const { bytes } = await kernel.cast({
      weights: new Uint8Array(table.data.buffer),
      from: "F32",
      to: dtype,
    });
    const { bytes: back } = await kernel.cast({ weights: bytes, from: dtype, to: "F32" });
    const wide = new Float32Array(back.buffer);
    const ids = integers([39, 0, 16, 15, 0, 31]);
    const y = newMatrix(ids.length, columns);
    for (const [first, rows] of [
      [0, 16],
      [16, 24],
    ] as const) {
      const rowBytes = bytes.byteLength / vocabulary;
      const piece = bytes.subarray(
        first * rowBytes,
        (first + rows) * rowBytes,
      ) as Uint8Array<SharedArrayBuffer>;
      await kernel.run("embed", { table: { bytes: piece, dtype, rows, columns }, first, ids, y });
    }
    expectNear(y.data, (i) => wide[ids[Math.floor(i / columns)]! * columns + (i % columns)]!, 0);
  },
);

describe("a router", () => {
  const rules: RouterRules = {
    score: "softmax",
    routed: 9,
    visited: 2,
    candidates: 5,
    groups: 3,
    openGroups: 2,
    correction: null,
    normalized: true,
    scale: 2,
  };
  const choose = async (tokens: number, more: Partial<RouterRules> = {}) => {
    const all = { ...rules, ...more };
    const scores = matrix(tokens, all.routed, 3);
    const job = {
      scores: copyOf(scores),
      rules: all,
      experts: sharedIntegers(tokens * all.candidates),
      selection: sharedFloats(tokens * all.candidates),
      weights: sharedFloats(tokens * all.visited),
      forced: false,
    };
    await kernel.run("route", job);
    return { ...job, logits: scores.data };
  };

  test("chooses by rank among the open groups, for any number of tokens", async () => {
    for (const tokens of [1, 63, 64, 65, 5000]) {
      const { logits, experts, weights } = await choose(tokens);
      for (const token of [0, tokens >> 1, tokens - 1]) {
        const own = [...logits.subarray(token * 9, token * 9 + 9)].map(Math.exp);
        const total = own.reduce((sum, value) => sum + value);
        const best = [0, 1, 2].map((g) => {
          const [first, second] = own.slice(3 * g, 3 * g + 3).sort((a, b) => b - a);
          return first! + second!;
        });
        const closed = best.indexOf(Math.min(...best));
        const order = [...own.keys()]
          .filter((e) => Math.floor(e / 3) !== closed)
          .sort((a, b) => own[b]! - own[a]!);
        expect([...experts.subarray(token * 5, token * 5 + 5)]).toEqual(order.slice(0, 5));
        const share = (e: number) => own[e]! / total;
        const sum = share(order[0]!) + share(order[1]!);
        for (const rank of [0, 1])
          expect(weights[token * 2 + rank]).toBeCloseTo((2 * share(order[rank]!)) / sum, 5);
      }
    }
  });

  test("weights given experts by its own scores", async () => {
    const { scores, rules: used } = await choose(70);
    const experts = integers(Array.from({ length: 70 * 5 }, (_, i) => (i * 2) % 9));
    const weights = sharedFloats(140);
    await kernel.run("route", {
      scores,
      rules: used,
      experts,
      selection: sharedFloats(350),
      weights,
      forced: true,
    });
    for (const token of [0, 33, 69]) {
      const own = [0, 1].map((rank) => scores.data[token * 9 + experts[token * 5 + rank]!]!);
      for (const rank of [0, 1])
        expect(weights[token * 2 + rank]).toBeCloseTo((2 * own[rank]!) / (own[0]! + own[1]!), 5);
    }
  });
});

test("jobs with contradicting operands are refused before they reach a worker", async () => {
  const [x, y] = [newMatrix(4, 6), newMatrix(4, 5)];
  const flat = sharedFloats(6);
  const heads = { ...plainHeads, queries: 3, keys: 1, size: 2, valueSize: 2 };
  const attempts = [
    () => kernel.run("rmsNorm", { x, weight: sharedFloats(5), eps: 0, y: x }),
    () => kernel.run("rmsNorm", { x, weight: flat, eps: 0, y }),
    () => kernel.run("elementwise", { what: "add", x, by: y }),
    () => kernel.run("gather", { x, rows: integers([4]), y: newMatrix(1, 6) }),
    () =>
      kernel.run("accumulate", { x, rows: integers([0, 1, 2, 9]), weights: sharedFloats(4), y: x }),
    () =>
      kernel.run("accumulate", { x, rows: integers([0, 1, 2, 3]), weights: sharedFloats(3), y: x }),
    () => kernel.run("attention", { q: x, k: y, v: y, length: 4, heads, y: x }),
    () =>
      kernel.run("attention", {
        q: x,
        k: newMatrix(4, 2),
        v: newMatrix(4, 2),
        length: 3,
        heads,
        y: x,
      }),
    () =>
      kernel.run("rotary", {
        base: 1,
        size: 3,
        scaling: { kind: "default" },
        cosines: flat,
        sines: flat,
      }),
  ];
  for (const attempt of attempts)
    await expect(attempt()).rejects.toMatchObject({ code: "INTERNAL" });
});
