import { afterAll, expect, test } from "vitest";
import { embedded, smallest } from "../../test/support/models.ts";
import { readBase } from "../base/base.ts";
import { baseWeights } from "../base/base-weights.ts";
import { openFolder } from "../checkpoint/folder.ts";
import { newMatrix } from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { Width } from "../kernel/width.ts";
import { byRole } from "../models/by-role.ts";
import { collect, makeHessian, newGram } from "./hessian.ts";
import { blocksOfRows, RouterDirections } from "./router-directions.ts";
import { rowsOfWeight, tuneMatrix } from "./tune-matrix.ts";
import { tuneRouterAware } from "./tune-router-aware.ts";
import { decodeRows, type TunedRows } from "./tuned-rows.ts";
import { tuningSettings } from "./tuning-settings.ts";
import { openTools } from "./tuning-tools.ts";

const kernel = await openKernel({ workers: 2 });
const tools = openTools({ kernel, settings: tuningSettings, storage: "BF16" });
const base = await readBase(await openFolder(embedded), { allowHeaderOnly: false });
const weights = baseWeights(base, kernel);
const tensors = byRole(base.tensors);
afterAll(async () => {
  await base.checkpoint.close();
  await kernel.close();
});

const widths: Width[] = [{ bits: 4, groupSize: 64 }];
const sweeps = () => 2;

test("wide matrices have fewer blocks of rows", () => {
  expect(blocksOfRows(192)).toHaveLength(6);
  expect(blocksOfRows(1024)).toHaveLength(6);
  expect(blocksOfRows(2688)).toEqual([
    [1792, 2688],
    [896, 1792],
    [0, 896],
  ]);
});

test("errors become smaller where later routers read, and grow little in all", async () => {
  const directions = await RouterDirections.open(kernel, base.tensors, weights);
  const tensor = tensors.get(0, "mamba.out");
  const blocks = (await directions.blocksOf(tensor))!;
  expect(blocks.map(({ start, end }) => [start, end])).toEqual(
    [5, 4, 3, 2, 1, 0].map((i) => [32 * i, 32 * i + 32]),
  );
  const weight = await weights.matrix(0, "mamba.out");
  const { rows, columns } = weight;
  const own = await toFloats(weight.bytes, weight.dtype, kernel);
  // Inputs are alike in all directions, so the loss is the squared error.
  const gram = newGram(tools.hessianBuffers, columns);
  const x = newMatrix(columns, columns);
  for (let i = 0; i < columns; i++) x.data[i * columns + i] = 1;
  await collect(kernel, gram, x);
  const hessian = await makeHessian(tools, gram);

  const errorsOf = async (
    tune: (write: (part: TunedRows) => Promise<void>) => Promise<unknown>,
  ) => {
    const errors = new Float64Array(rows * columns);
    await tune(async (part) => {
      const at = part.start * columns;
      const values = await decodeRows(kernel, part, { columns, store: "BF16" });
      values.forEach((value, i) => {
        errors[at + i] = own[at + i]! - value;
      });
    });
    return errors;
  };
  const plain = await errorsOf((write) =>
    tuneMatrix(tools, rowsOfWeight(weight), { hessian, widths, sweeps, write }),
  );
  const sums: { squaredError: number }[] = [];
  const routerAware = await errorsOf(async (write) => {
    const options = { hessian, widths, sweeps, write };
    sums.push(...(await tuneRouterAware(tools, weight, { ...options, blocks })));
  });

  const squares = (values: Float64Array) => values.reduce((sum, value) => sum + value * value, 0);
  expect(sums[0]!.squaredError).toBeCloseTo(squares(routerAware), 8);
  expect(squares(routerAware) / squares(plain)).toBeLessThan(1.15);
  const seen = async (errors: Float64Array) => {
    let sum = 0;
    for (const layer of [1, 3, 6, 8, 10]) {
      const [gate, norm] = [
        (await weights.unquantized(layer, "router"))!,
        (await weights.unquantized(layer, "norm"))!,
      ];
      const routed = gate.length / rows;
      const mean = Array.from(
        norm,
        (_, i) => gate.reduce((all, g, at) => all + (at % rows === i ? g : 0), 0) / routed,
      );
      const read = new Float64Array(routed * columns);
      let size = 0;
      for (let e = 0; e < routed; e++) {
        for (let i = 0; i < rows; i++) {
          const direction = norm[i]! * (gate[e * rows + i]! - mean[i]!);
          size += direction * direction;
          for (let j = 0; j < columns; j++)
            read[e * columns + j]! += direction * errors[i * columns + j]!;
        }
      }
      sum += squares(read) / size;
    }
    return sum;
  };
  expect((await seen(routerAware)) / (await seen(plain))).toBeLessThan(0.6);
});

test("only matrices whose output a later router reads are tuned for it", async () => {
  const directions = await RouterDirections.open(kernel, base.tensors, weights);
  const isAware = async (layer: number, role: string) =>
    (await directions.blocksOf(tensors.get(layer, role))) !== null;
  expect([
    await isAware(0, "mamba.in"),
    await isAware(1, "experts.up"),
    await isAware(1, "shared.up"),
  ]).toEqual(Array(3).fill(false));
  expect([
    await isAware(1, "experts.down"),
    await isAware(8, "shared.down"),
    await isAware(9, "mamba.out"),
  ]).toEqual(Array(3).fill(true));
  expect([await isAware(10, "experts.down"), await isAware(10, "shared.down")]).toEqual([
    false,
    false,
  ]);
  expect(directions.modules.size).toBe(3);
});

test("a router in the block of an attention reads what that attention writes", async () => {
  const folder = await openFolder(smallest.qwen3_moe!);
  const own = await readBase(folder, { allowHeaderOnly: false });
  const directions = await RouterDirections.open(kernel, own.tensors, baseWeights(own, kernel));
  const table = byRole(own.tensors);
  const last = own.architecture.layers(own.config).length - 1;
  const isAware = async (role: string) =>
    (await directions.blocksOf(table.get(last, role))) !== null;
  expect([await isAware("attention.o"), await isAware("experts.down")]).toEqual([true, false]);
  await own.checkpoint.close();
});
