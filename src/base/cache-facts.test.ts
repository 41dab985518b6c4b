import { expect, test } from "vitest";
import { hybrids } from "../../bench/sizes/hybrids.ts";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import type { Architecture } from "../models/architecture.ts";
import { findArchitecture } from "../models/registry.ts";
import { cacheOf } from "./cache-facts.ts";

const architecture = findArchitecture(nemotron30b);

test("a hybrid keeps keys and values of its attention layers, and states of its Mamba layers", () => {
  const { config } = architecture.fold(nemotron30b);
  // 6 layers with 2 key/value heads of 128 channels. 23 layers with 64 × 64 channels, 8 groups of
  // a state of 128, and 4 taps.
  const convolved = 64 * 64 + 2 * 8 * 128;
  expect(cacheOf({ architecture, config, storage: "BF16" })).toEqual({
    perToken: 6 * 2 * 2 * 128 * 2,
    fixed: 23 * (2 * 3 * convolved + 4 * 64 * 64 * 128),
  });
  expect(cacheOf({ architecture, config, storage: "F32" })?.perToken).toBe(6 * 2 * 2 * 128 * 4);
});

test("a gated DeltaNet keeps its convolution, and a state for each value head", () => {
  const { config: raw } = hybrids.find(({ id }) => id === "Qwen/Qwen3.6-35B-A3B")!;
  const qwen = findArchitecture(raw);
  const { config } = qwen.fold(raw);
  // Every fourth of 40 layers has 2 key/value heads of 256 channels. The others have 16 query, 16
  // key and 32 value heads of 128 channels, and 4 taps.
  const convolved = (16 + 16 + 32) * 128;
  expect(cacheOf({ architecture: qwen, config, storage: "BF16" })).toEqual({
    perToken: 10 * 2 * 2 * 256 * 2,
    fixed: 30 * (2 * 3 * convolved + 4 * 32 * 128 * 128),
  });
});

test("a mixer that is not known here has no known cache", () => {
  const other = {
    ...architecture,
    layers: () => [
      { mixer: "attention", mlp: null },
      { mixer: "other", mlp: null },
    ],
  } as unknown as Architecture;
  const { config } = architecture.fold(nemotron30b);
  expect(cacheOf({ architecture: other, config, storage: "BF16" })).toBeNull();
});
