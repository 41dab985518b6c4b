import { expect, test } from "vitest";
import type { BlockPart } from "./block-parts.ts";
import { type PartError, withUnprobed } from "./probe-gains.ts";
import { probedLayers } from "./probe-shares.ts";

const part = (name: string): BlockPart => ({ name, tensors: [] });
const mixer = (layer: number, error: number): PartError => {
  return { part: part(`layer ${layer}`), layer, kind: "mixer", error };
};
const result = (kl: number, flipPower: number) => {
  return { divergence: Float64Array.of(kl, 3 * kl), flipPower };
};

test("a part without a probe has the gain between those before and behind it", () => {
  const mlp: PartError = { part: part("mlp"), layer: 3, kind: "mlp", error: 1 };
  const parts = [mixer(0, 0.5), mixer(1, 2), mlp, mixer(4, 0.25)];
  const probes = new Map([
    ["layer 0", result(1, 4)], // gains 2 and 8
    ["mlp", result(100, 100)],
    ["layer 4", result(1.5, 0)], // gains 6 and 0
  ]);
  const all = withUnprobed(probes, parts);
  // A quarter of the way: gains 3 and 6, times the error 2.
  expect(all.get("layer 1")).toEqual(result(6, 12));
  for (const [name, own] of probes) expect(all.get(name)).toBe(own);
});

test("a probe without an error does not make its neighbours cheap", () => {
  const probes = new Map([
    ["layer 0", result(1, 4)],
    ["layer 2", result(0, 0)],
    ["layer 6", result(3, 4)],
  ]);
  const parts = [mixer(0, 0.125), mixer(1, 0.125), mixer(2, 0)];
  expect(withUnprobed(probes, parts).get("layer 1")).toEqual(result(1, 4));
  // Halfway from layer 0 to layer 6.
  const more = withUnprobed(probes, [...parts, mixer(3, 0.125), mixer(6, 0.125)]);
  expect(more.get("layer 3")).toEqual(result(2, 4));
});

test("parts whose neighbours have no error have no cost", () => {
  const probes = new Map([["layer 0", result(0, 0)]]);
  const all = withUnprobed(probes, [mixer(0, 0), mixer(2, 1)]);
  expect(all.get("layer 2")).toEqual(result(0, 0));
});

test.each([3, 5])(
  "at most %d blocks of a kind are probed, the first, the middle and the last one too",
  (most) => {
    const kinds = (...counts: readonly [number, number]) =>
      [
        Array(counts[0]).fill({ mixer: "mamba", mlp: null }),
        Array(counts[1]).fill({ mixer: null, mlp: "moe" }),
      ].flat();
    expect([...probedLayers(kinds(most, 2), most)]).toEqual([...Array(most + 2).keys()]);
    for (const count of [6, 8, 10, 23, 30, 31, 64]) {
      const probed = [...probedLayers(kinds(count, 1), most)];
      expect(probed).toHaveLength(most + 1);
      for (const layer of [0, Math.floor(count / 2), count - 1, count])
        expect(probed, `${count}`).toContain(layer);
    }
  },
);
