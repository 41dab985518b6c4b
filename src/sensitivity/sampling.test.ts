import { describe, expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { expandTable } from "../models/expand.ts";
import { findArchitecture } from "../models/registry.ts";
import { isQuantizable } from "../plan/plan.ts";
import { sampleOf, spread } from "./sampling.ts";

describe("spread", () => {
  test.each([
    [3, 9, [0, 1, 2]],
    [9, 9, [0, 1, 2, 3, 4, 5, 6, 7, 8]],
    [52, 3, [0, 26, 51]],
  ])("over %d layers at %d depths has the first and the last", (layers, count, expected) => {
    expect(spread(layers, count)).toEqual(expected);
  });
});

test("the sample has one tensor of every role, and two experts of a stack", () => {
  const tensors = expandTable(findArchitecture(nemotron30b), nemotron30b)
    .map((tensor) => ({ ...tensor, dtype: "BF16" }))
    .filter(isQuantizable);
  const isSampled = sampleOf(tensors);
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
