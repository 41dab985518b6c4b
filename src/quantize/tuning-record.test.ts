import { expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { modulePath } from "../mlx/format.ts";
import { expandTable } from "../models/expand.ts";
import { layerKinds } from "../models/layer-kind.ts";
import { architectures, findArchitecture } from "../models/registry.ts";
import { kindOf, kindRecords, tensorKinds } from "./tuning-record.ts";

test.each(architectures.map((architecture) => [architecture.modelType, architecture] as const))(
  "every quantized role of %s has a kind",
  (_, architecture) => {
    const roles = [
      ...architecture.outer,
      ...layerKinds.flatMap((kind) => architecture.roles(kind)),
    ];
    const quantized = roles.filter(({ treatment }) => treatment === "quantized");
    expect(quantized.length).toBeGreaterThan(5);
    for (const role of quantized) expect(tensorKinds).toContain(kindOf(role));
  },
);

test("a role without a part is an error", () => {
  expect(() => kindOf({ role: "convolution", part: null, projection: null })).toThrow(
    /"convolution"/,
  );
});

test("the ratio of a kind is the mean over its tuned modules", () => {
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
