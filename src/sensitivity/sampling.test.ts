import { expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { expandTable } from "../models/expand.ts";
import { findArchitecture } from "../models/registry.ts";
import { isQuantizable } from "../plan/plan.ts";
import { isExpertMeasured, roleSample, sampleRows } from "./sampling.ts";

test.each([
  [5, 16, [0, 1, 2, 3, 4]],
  [16, 16, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]],
  [24, 16, [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21, 22]],
  [128, 16, [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120]],
  [128, 8, [0, 16, 32, 48, 64, 80, 96, 112]],
])(
  "of %d experts at most %d are tuned, evenly spaced, the sampled ones among them",
  (count, most, expected) => {
    const [tensor] = expandTable(findArchitecture(nemotron30b), nemotron30b).filter(
      ({ role }) => role.routed === true,
    );
    const stack = { ...tensor!, dtype: "BF16", sources: Array(count).fill(tensor!.sources[0]) };
    const measured = [...Array(count).keys()].filter((expert) =>
      isExpertMeasured(stack, expert, most),
    );
    expect(measured).toEqual(expected);
    const isSampled = roleSample([stack]);
    for (const expert of Array(count).keys())
      if (isSampled(stack, expert)) expect(measured).toContain(expert);
  },
);

test("the sample has one tensor of every role, and two experts of a stack", () => {
  const tensors = expandTable(findArchitecture(nemotron30b), nemotron30b)
    .map((tensor) => ({ ...tensor, dtype: "BF16" }))
    .filter(isQuantizable);
  const isSampled = roleSample(tensors);
  const sampled = tensors.flatMap((tensor) =>
    [...tensor.sources.keys()]
      .filter((expert) => isSampled(tensor, expert))
      .map((expert) => ({ role: tensor.role.role, stack: tensor.sources.length, expert })),
  );
  const roles = new Set(tensors.map(({ role }) => role.role));
  for (const role of roles) {
    const own = sampled.filter((one) => one.role === role);
    expect(own.map(({ expert }) => expert)).toEqual(own[0]!.stack === 1 ? [0] : [0, 64]);
  }
});

test.each([
  [300, 1, 300],
  [600, 2, 304],
  [2048, 4, 512],
  [131072, 32, 4096],
])("of %d rows every %d. sixteen stand for all", (rows, every, count) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(4 * rows));
  const values = new Float32Array(bytes.buffer);
  for (const row of values.keys()) values[row] = row;
  const some = sampleRows({ bytes, dtype: "F32", rows, columns: 1 });
  const taken = new Float32Array(some.bytes.buffer, some.bytes.byteOffset, some.rows);
  expect([...taken]).toEqual([...values].filter((row) => Math.floor(row / 16) % every === 0));
  expect(taken.length).toBe(count);
});
