import { afterAll, expect, test } from "vitest";
import { type Matrix, newMatrix, sharedFloats } from "../matrix.ts";
import { openKernel } from "../pool.ts";
import { type Heads, plainHeads } from "./attention.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

const lengths = [1, 3, 63, 64, 65, 127];
const sequences = 2;

function numbers(count: number, seed: number): Float32Array<SharedArrayBuffer> {
  const values = sharedFloats(count);
  values.forEach((_, i) => {
    values[i] = Math.sin(12.9898 * (i + 1) + seed) * 2;
  });
  return values;
}

const matrix = (rows: number, columns: number, seed: number): Matrix => ({
  data: numbers(rows * columns, seed),
  rows,
  columns,
});

interface Inputs {
  readonly q: Matrix;
  readonly k: Matrix;
  readonly v: Matrix;
}

function inputsOf({ queries, keys, size, valueSize }: Heads, length: number): Inputs {
  const rows = sequences * length;
  return {
    q: matrix(rows, queries * size, 1),
    k: matrix(rows, keys * size, 2),
    v: matrix(rows, keys * valueSize, 3),
  };
}

async function attend(heads: Heads, inputs: Inputs, length: number): Promise<Float32Array> {
  const y = newMatrix(inputs.q.rows, heads.queries * heads.valueSize);
  y.data.fill(Number.NaN);
  await kernel.run("attention", { ...inputs, length, heads, y });
  return y.data;
}

/** One head of one row in float64: normed, then rotated by the angles of its position. */
function headOf(x: Matrix, [row, head]: [number, number], position: number, heads: Heads) {
  const { size, norms, rotary } = heads;
  const start = row * x.columns + head * size;
  const values = Float64Array.from(x.data.subarray(start, start + size));
  if (norms) {
    const squares = values.reduce((sum, value) => sum + value * value, 0);
    const root = Math.sqrt(squares / size + norms.eps);
    const weights = x.columns === heads.queries * size ? norms.query : norms.key;
    for (let c = 0; c < size; c++) values[c]! *= weights[c]! / root;
  }
  const pairs = (rotary?.part ?? 0) / 2;
  for (let c = 0; rotary && c < pairs; c++) {
    const [cosine, sine] = [
      rotary.cosines[position * pairs + c]!,
      rotary.sines[position * pairs + c]!,
    ];
    const [first, second] = [values[c]!, values[c + pairs]!];
    values[c] = first * cosine - second * sine;
    values[c + pairs] = second * cosine + first * sine;
  }
  return values;
}

/** Softmax attention by its formula, one token and one query head at a time. */
function attendPlainly(heads: Heads, { q, k, v }: Inputs, length: number): number[] {
  const { queries, keys, size, valueSize, window, softcap, sinks } = heads;
  const scale = heads.scale ?? 1 / Math.sqrt(size);
  const score = (row: number, other: number, head: number) => {
    const query = headOf(q, [row, head], row % length, heads);
    const key = headOf(k, [other, Math.floor((head * keys) / queries)], other % length, heads);
    const product = scale * query.reduce((sum, value, c) => sum + value * key[c]!, 0);
    return softcap === null ? product : softcap * Math.tanh(product / softcap);
  };
  const y: number[] = [];
  for (let row = 0; row < q.rows; row++) {
    const seen = Math.min((row % length) + 1, window ?? length);
    const rows = Array.from({ length: seen }, (_, i) => row + 1 - seen + i);
    for (let head = 0; head < queries; head++) {
      const shares = rows.map((other) => Math.exp(score(row, other, head)));
      const sink = sinks ? Math.exp(sinks[head]!) : 0;
      const total = shares.reduce((sum, share) => sum + share, sink);
      const start = Math.floor((head * keys) / queries) * valueSize;
      for (let c = 0; c < valueSize; c++) {
        const values = rows.map((other) => v.data[other * v.columns + start + c]!);
        y.push(values.reduce((sum, value, i) => sum + (shares[i]! / total) * value, 0));
      }
    }
  }
  return y;
}

const base: Heads = { ...plainHeads, queries: 4, keys: 2, size: 6, valueSize: 6 };
const norms = { query: numbers(6, 4), key: numbers(6, 5), eps: 1e-6 };

async function rotaryOf(part: number) {
  const [cosines, sines] = [sharedFloats(64 * part), sharedFloats(64 * part)];
  await kernel.run("rotary", {
    base: 100,
    size: part,
    scaling: { kind: "default" },
    cosines,
    sines,
  });
  return { part, cosines, sines };
}

const cases: readonly [string, Heads][] = [
  ["plain", base],
  ["norms and a whole rotation", { ...base, norms, rotary: await rotaryOf(6) }],
  ["a rotation of the first four channels", { ...base, rotary: await rotaryOf(4) }],
  ["a scale", { ...base, scale: 0.9 }],
  ["a window of one token", { ...base, window: 1 }],
  ["a window of 64 tokens", { ...base, window: 64 }],
  ["a soft cap", { ...base, softcap: 1.5 }],
  ["sinks", { ...base, sinks: numbers(4, 6) }],
  ["narrow values", { ...base, valueSize: 3 }],
  [
    "wide values in a window, capped, with sinks",
    {
      ...base,
      valueSize: 9,
      window: 5,
      softcap: 20,
      sinks: numbers(4, 6),
      rotary: await rotaryOf(2),
    },
  ],
];

test.each(cases)("attention with %s equals its formula", async (_, heads) => {
  for (const length of lengths) {
    const inputs = inputsOf(heads, length);
    const [ours, exact] = [
      await attend(heads, inputs, length),
      attendPlainly(heads, inputs, length),
    ];
    expect(ours.length).toBe(exact.length);
    const worst = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - exact[i]!)), 0);
    expect(worst, `length ${length}`).toBeLessThan(1e-5);
  }
});

test("every option changes the formula's result", () => {
  const inputs = inputsOf(base, 65);
  const plain = attendPlainly(base, inputs, 65);
  for (const [name, heads] of cases.filter(([, heads]) => heads.valueSize === base.valueSize)) {
    if (heads === base) continue;
    const other = attendPlainly(heads, inputs, 65);
    const most = other.reduce((most, value, i) => Math.max(most, Math.abs(value - plain[i]!)), 0);
    expect(most, name).toBeGreaterThan(1e-2);
  }
});

test("the default scale written out gives the same bits", async () => {
  const heads = { ...base, size: 16, valueSize: 16 };
  const inputs = inputsOf(heads, 65);
  const [ours, written] = await Promise.all([
    attend(heads, inputs, 65),
    attend({ ...heads, scale: 1 / 4, window: 65 }, inputs, 65),
  ]);
  expect(written).toEqual(ours);
});

test("gates behind the queries scale the output of each head", async () => {
  for (const length of lengths) {
    const inputs = inputsOf(base, length);
    const plain = await attend(base, inputs, length);
    const { size, valueSize } = base;
    const width = size + valueSize;
    const gates = numbers(plain.length, 7);
    const q = newMatrix(inputs.q.rows, base.queries * width);
    for (let head = 0; head < q.data.length / width; head++) {
      q.data.set(inputs.q.data.subarray(head * size, (head + 1) * size), head * width);
      const own = gates.subarray(head * valueSize, (head + 1) * valueSize);
      q.data.set(own, head * width + size);
    }
    const gated = await attend({ ...base, gated: true }, { ...inputs, q }, length);
    const exact = plain.map((one, i) => one / (1 + Math.exp(-gates[i]!)));
    const most = gated.reduce((most, one, i) => Math.max(most, Math.abs(one - exact[i]!)), 0);
    expect(most, `${length}`).toBeLessThan(1e-6);
  }
});

test.each<[string, Partial<Heads>, RegExp]>([
  ["queries without their gates", { gated: true }, /q is 3x24, expected 3x/],
  ["a window of 0", { window: 0 }, /a window of 0 tokens/],
  ["a soft cap of NaN", { softcap: Number.NaN }, /a softcap of NaN/],
  ["a negative scale", { scale: -1 }, /a scale of -1/],
  ["a sink too few", { sinks: sharedFloats(3) }, /3 sinks for 4 query heads/],
  ["norms of another size", { norms: { ...norms, key: sharedFloats(5) } }, /6 and 5 weights/],
  ["more rotated channels than there are", { rotary: await rotaryOf(8) }, /8 of 6 channels/],
  ["values of another size", { valueSize: 5 }, /v is 3x12, expected 3x10/],
])("%s is refused", async (_, options, message) => {
  const job = {
    ...inputsOf(base, 3),
    q: matrix(3, 24, 1),
    k: matrix(3, 12, 2),
    v: matrix(3, 12, 3),
  };
  const heads = { ...base, ...options };
  await expect(
    kernel.run("attention", { ...job, length: 3, heads, y: newMatrix(3, 24) }),
  ).rejects.toMatchObject({ code: "INTERNAL", message: expect.stringMatching(message) });
});
