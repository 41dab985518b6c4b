import { expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { modulePath } from "../mlx/format.ts";
import { expandTable } from "../models/expand.ts";
import { architectures, findArchitecture } from "../models/registry.ts";
import { kindOf, kindRecords, tensorKinds } from "./tuning-record.ts";

const layerKinds = ["mamba", "attention", "moe", "mlp", "transformer"] as const;

test.each(architectures.map((architecture) => [architecture.modelType, architecture] as const))(
  "every quantized role of %s has a kind",
  (_, architecture) => {
    const roles = [...architecture.glue, ...layerKinds.flatMap((kind) => architecture.roles(kind))];
    const quantized = roles.filter(({ treatment }) => treatment === "quantized");
    expect(quantized.length).toBeGreaterThan(5);
    for (const role of quantized) expect(tensorKinds).toContain(kindOf(role));
  },
);

test("a role without a kind is a bug, not a blank on the card", () => {
  expect(() => kindOf({ role: "convolution" })).toThrow(/"convolution"/);
});

test("kinds take the mean over their modules, and only tuned modules count", () => {
  const tensors = expandTable(findArchitecture(nemotron30b), nemotron30b).map((tensor) => ({
    ...tensor,
    dtype: "BF16",
  }));
  const ups = tensors.filter(({ role }) => role.role === "experts.up").map(modulePath);
  const module = (ratio: number) => ({ ratio, roundedRows: 0, rows: 10 });
  const modules = { [ups[0]!]: module(0.25), [ups[1]!]: module(0.5), lm_head: module(0.125) };
  expect(kindRecords(tensors, modules)).toEqual({
    head: { tensors: 1, ratio: 0.125 },
    "experts (up)": { tensors: 2, ratio: 0.375 },
  });
  expect(kindRecords(tensors, {})).toEqual({});
});
