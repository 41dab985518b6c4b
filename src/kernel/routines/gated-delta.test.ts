import { afterAll, describe, expect, test } from "vitest";
import { type Floats, type Matrix, newMatrix, rowsOf, sharedFloats } from "../matrix.ts";
import { openKernel } from "../pool.ts";
import { type DeltaMixer, deltaWidths } from "./gated-delta.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

function numbers(count: number, seed: number): Floats {
  const values = sharedFloats(count);
  values.forEach((_, i) => {
    values[i] = Math.sin(12.9898 * (i + 1) + seed);
  });
  return values;
}

const matrix = (rows: number, columns: number, seed: number): Matrix => ({
  data: numbers(rows * columns, seed),
  rows,
  columns,
});
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

function mixerOf(byHead: boolean): DeltaMixer {
  const sizes = { keys: 2, key: 6, values: 4, value: 5, taps: 3 };
  const channels = 2 * sizes.keys * sizes.key + sizes.values * sizes.value;
  return {
    ...{ ...sizes, byHead, eps: 1e-6 },
    convolution: numbers(channels * sizes.taps, 1),
    stepBias: numbers(sizes.values, 2),
    decayLog: numbers(sizes.values, 3),
    norm: numbers(sizes.value, 4),
  };
}

/** The places of the input's channels in their plain order, by head. */
function placesByHead({ keys, key, values, value }: DeltaMixer): number[] {
  const [each, group] = [values / keys, 2 * (key + (values / keys) * value)];
  const heads = [...Array(keys).keys()];
  const part = (first: number, size: number) =>
    heads.flatMap((head) => Array.from({ length: size }, (_, i) => head * group + first + i));
  const after = (first: number) =>
    heads.flatMap((head) =>
      Array.from({ length: each }, (_, i) => keys * group + 2 * each * head + first + i),
    );
  return [
    ...[...part(0, key), ...part(key, key), ...part(2 * key, each * value)],
    ...[...part(2 * key + each * value, each * value), ...after(0), ...after(each)],
  ];
}

/** One sequence by its formulas in float64, channels in their plain order. */
function reference(mixer: DeltaMixer, x: Matrix): number[] {
  const { keys, key, values, value, taps } = mixer;
  const { convolved, inner } = deltaWidths(mixer);
  const at = (t: number, c: number) => (t < 0 ? 0 : x.data[t * x.columns + c]!);
  const mixed = (t: number, c: number) => {
    let sum = 0;
    for (let j = 0; j < taps; j++)
      sum += mixer.convolution[c * taps + j]! * at(t + j + 1 - taps, c);
    return sum * sigmoid(sum);
  };
  const y: number[] = Array(x.rows * inner).fill(0);
  for (let head = 0; head < values; head++) {
    const state = Array.from({ length: key }, () => Array<number>(value).fill(0));
    const own = Math.floor((head * keys) / values) * key;
    for (let t = 0; t < x.rows; t++) {
      const unit = (left: number) => {
        const all = Array.from({ length: key }, (_, i) => mixed(t, left + i));
        const length = Math.sqrt(all.reduce((sum, one) => sum + one * one, 1e-6));
        return all.map((one) => one / length);
      };
      const [q, k] = [unit(own), unit(keys * key + own)];
      const write = sigmoid(at(t, convolved + inner + head));
      const step = at(t, convolved + inner + values + head) + mixer.stepBias[head]!;
      const decay = Math.exp(-Math.exp(mixer.decayLog[head]!) * Math.log1p(Math.exp(step)));
      const outs = Array.from({ length: value }, (_, c) => {
        const known = k.reduce((sum, one, i) => sum + decay * state[i]![c]! * one, 0);
        const v = mixed(t, 2 * keys * key + head * value + c);
        k.forEach((one, i) => {
          state[i]![c] = decay * state[i]![c]! + write * one * (v - known);
        });
        return q.reduce((sum, one, i) => sum + state[i]![c]! * one, 0) / Math.sqrt(key);
      });
      const root = Math.sqrt(outs.reduce((sum, one) => sum + one * one, 0) / value + mixer.eps);
      for (const [c, out] of outs.entries()) {
        const gate = at(t, convolved + head * value + c);
        y[t * inner + head * value + c] = (out / root) * mixer.norm[c]! * gate * sigmoid(gate);
      }
    }
  }
  return y;
}

describe.each([1, 3, 64, 65, 130])("a gated DeltaNet over sequences of %i tokens", (length) => {
  test.each([false, true])("equals its formulas, channels by head: %s", async (byHead) => {
    const mixer = mixerOf(byHead);
    const { columns, inner } = deltaWidths(mixer);
    const plain = matrix(2 * length, columns, 5);
    const places = placesByHead(mixer);
    const x = newMatrix(plain.rows, columns);
    for (let i = 0; i < x.data.length; i++) {
      const [row, column] = [Math.floor(i / columns), i % columns];
      x.data[row * columns + (byHead ? places[column]! : column)] = plain.data[i]!;
    }
    const y = newMatrix(x.rows, inner);
    await kernel.run("gatedDelta", { x, length, mixer, y });
    const exact = [0, length].flatMap((top) => reference(mixer, rowsOf(plain, top, top + length)));
    const gap = Math.max(...exact.map((one, i) => Math.abs(one - y.data[i]!)));
    expect(gap).toBeLessThan(2e-5 * Math.max(...exact.map(Math.abs)));
  });
});

test("rows are scaled by the sigmoids of their gates, more rows than a slab has", async () => {
  const [x, gates] = [matrix(700, 65, 1), matrix(700, 1, 2)];
  const exact = x.data.map((one, i) => one * sigmoid(gates.data[Math.floor(i / 65)]!));
  await kernel.run("gateRows", { x, gates });
  expect(Math.max(...exact.map((one, i) => Math.abs(one - x.data[i]!)))).toBeLessThan(1e-6);
});

test("jobs with contradicting operands are refused before they reach a worker", async () => {
  const mixer = mixerOf(false);
  const { columns, inner } = deltaWidths(mixer);
  const [x, y] = [newMatrix(4, columns), newMatrix(4, inner)];
  const attempts = [
    () => kernel.run("gatedDelta", { x, length: 3, mixer, y }),
    () => kernel.run("gatedDelta", { x: y, length: 4, mixer, y }),
    () => kernel.run("gatedDelta", { x, length: 4, mixer: { ...mixer, keys: 3 }, y }),
    () => kernel.run("gatedDelta", { x, length: 4, mixer: { ...mixer, norm: x.data }, y }),
    () => kernel.run("gateRows", { x, gates: y }),
  ];
  for (const attempt of attempts)
    await expect(attempt()).rejects.toMatchObject({ code: "INTERNAL" });
});
