import { afterAll, expect, test } from "vitest";
import { openBase } from "../../test/support/forward-run.ts";
import { smallest } from "../../test/support/models.ts";
import {
  asWeight,
  type Matrix,
  newMatrix,
  sharedFloats,
  sharedIntegers,
} from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import { Ops } from "../models/ops.ts";
import type { Routing } from "../models/routing.ts";
import { passBlock } from "./block-pass.ts";
import { expertDamage } from "./damage.ts";

const kernel = await openKernel({ workers: 1 });
afterAll(() => kernel.close());

function matrix(...rows: readonly (readonly number[])[]): Matrix {
  const made = newMatrix(rows.length, rows[0]!.length);
  made.data.set(rows.flat());
  return made;
}

/** Two tokens: both visit expert 0 with the gates 0.5 and 2. */
const routing: Routing = {
  tokens: 2,
  routed: 2,
  perToken: 1,
  candidates: 1,
  experts: sharedIntegers(2),
  weights: sharedFloats(2),
  scores: sharedFloats(4),
  selection: sharedFloats(2),
};
routing.weights.set([0.5, 2]);
const request = {
  ops: new Ops(kernel),
  layer: 3,
  routing,
  before: newMatrix(2, 3),
  after: matrix([1, 0, 0], [0, 2, 2]), // powers 1 and 8
  plain: new Map([[0, matrix([1, 1], [4, 0])]]),
  probed: new Map([[0, matrix([1, 2], [2, 0])]]), // errors (0, -1) and (2, 0)
  domainOf: Uint32Array.of(0, 1),
  domains: 2,
  scale: () => 1,
};

test("the damage of an expert is its error, times its gate, in what the block adds", async () => {
  const { damage } = await expertDamage({ ...request, behind: null });
  expect(damage).toEqual([
    [0.25 * 1, 0],
    [(4 * 4) / 8, 0],
  ]);
});

test("errors in a narrower space count as they reach the residual stream", async () => {
  const behind = asWeight(matrix([1, 3], [0, 0], [2, 4]).data, 2); // (0, 1) -> 25, (1, 0) -> 5
  const { damage } = await expertDamage({ ...request, behind });
  expect(damage).toEqual([
    [0.25 * 25, 0],
    [(4 * 4 * 5) / 8, 0],
  ]);
});

test.each([
  ["nemotron_h", null],
  ["nemotron_h.latent", { rows: 128, columns: 64 }],
])("a pass of %s gives what lies behind its experts", async (name, shape) => {
  const model = await openBase(smallest[name]!, kernel);
  const place = { layer: 1, kind: model.architecture.layers(model.config)[1]! };
  const x = newMatrix(32, 128);
  x.data.forEach((_, i) => {
    x.data[i] = Math.sin(i * i);
  });
  const watched = await passBlock(model, place, x, { length: 16, wantsOutputs: true });
  if (shape === null) expect(watched.behind).toBeNull();
  else expect(watched.behind).toMatchObject(shape);
  for (const { columns } of watched.outputs.values()) expect(columns).toBe(shape?.columns ?? 128);
  const plain = await passBlock(model, place, x, { length: 16 });
  expect(plain).toMatchObject({ behind: null, outputs: new Map() });
  expect(watched.after.data).toEqual(plain.after.data);
  await model.close();
});
