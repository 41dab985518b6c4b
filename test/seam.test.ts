import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { finiteWeights } from "../src/base/base-weights.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import type { Architecture } from "../src/models/architecture.ts";
import { qwen3Moe } from "../src/models/qwen3-moe.ts";
import {
  evenRows,
  firstHalf,
  oddRows,
  plusOne,
  secondHalf,
  sliceOfStack,
  transpose,
} from "../src/models/transforms.ts";
import type { TierFiles } from "../src/series/write-tiers.ts";
import {
  type BaseLayout,
  concatenate,
  fromBf16,
  interleave,
  rewriteBase,
  stack,
  type Tensors,
  take,
  toBf16,
  transposed,
  withRoles,
} from "./support/base-layouts.ts";
import { kernelScene } from "./support/kernel-scene.ts";
import { byArchitecture } from "./support/models.ts";
import type { StoredBytes } from "./support/safetensors.ts";
import { methods, tierFiles } from "./support/tier-files.ts";

/**
 * A base with another layout of its tensors gives the same bytes: rounded, tuned, and tuned with
 * every repair. The role table declares the transforms.
 */

const plain = byArchitecture.qwen3_moe!;
const [layers, experts, inner, hidden] = [2, 8, 64, 128];
const mlp = (layer: number) => `model.layers.${layer}.mlp`;
const fusedName = "model.layers.{i}.mlp.experts.gate_up_proj";

/** The matrices of all experts of a layer. */
function expertsOf(tensors: Tensors, layer: number, leaf: string): StoredBytes[] {
  const names = Array.from({ length: experts }, (_, e) => `${mlp(layer)}.experts.${e}.${leaf}`);
  return take(
    tensors,
    names.map((name) => `${name}_proj.weight`),
  );
}

const eachLayer = (store: (tensors: Tensors, layer: number) => void) => (tensors: Tensors) => {
  for (let layer = 0; layer < layers; layer++) store(tensors, layer);
};

/** One stacked tensor for gate and up of each layer. */
const fuse = (join: (gate: StoredBytes, up: StoredBytes) => StoredBytes) =>
  eachLayer((tensors, layer) => {
    const ups = expertsOf(tensors, layer, "up");
    const both = expertsOf(tensors, layer, "gate").map((gate, e) => join(gate, ups[e]!));
    tensors.set(`${mlp(layer)}.experts.gate_up_proj`, stack(both));
  });

const normNames = /norm\.weight$/;
const normRoles = ["norm.attention", "norm.mlp", "norm.q", "norm.k"];
const minusOne = { from: () => [plusOne] };

const layouts: Readonly<Record<string, BaseLayout>> = {
  "experts that are stacked already": {
    store: eachLayer((tensors, layer) => {
      for (const leaf of ["gate", "up", "down"])
        tensors.set(`${mlp(layer)}.experts.${leaf}_proj`, stack(expertsOf(tensors, layer, leaf)));
    }),
    roles: Object.fromEntries(
      ["gate", "up", "down"].map((leaf) => [
        `experts.${leaf}`,
        {
          base: `model.layers.{i}.mlp.experts.${leaf}_proj`,
          shape: () => (leaf === "down" ? [experts, hidden, inner] : [experts, inner, hidden]),
          from: () => [sliceOfStack],
        },
      ]),
    ),
  },
  "gate and up in the two halves of one tensor": {
    store: fuse(concatenate),
    roles: {
      "experts.gate": fused([experts, 2 * inner, hidden], [sliceOfStack, firstHalf]),
      "experts.up": fused([experts, 2 * inner, hidden], [sliceOfStack, secondHalf]),
    },
  },
  "gate in the even rows, up in the odd ones": {
    store: fuse(interleave),
    roles: {
      "experts.gate": fused([experts, 2 * inner, hidden], [sliceOfStack, evenRows]),
      "experts.up": fused([experts, 2 * inner, hidden], [sliceOfStack, oddRows]),
    },
  },
  "matrices transposed: attention, head, gate and up in even and odd columns": {
    store: (tensors) => {
      fuse((gate, up) => transposed(interleave(gate, up)))(tensors);
      for (const [name, tensor] of tensors)
        if (/(q_proj|lm_head)\.weight$/.test(name)) tensors.set(name, transposed(tensor));
    },
    roles: {
      "experts.gate": fused([experts, hidden, 2 * inner], [sliceOfStack, transpose, evenRows]),
      "experts.up": fused([experts, hidden, 2 * inner], [sliceOfStack, transpose, oddRows]),
      "attention.q": { shape: () => [hidden, 128], from: () => [transpose] },
      head: { shape: () => [hidden, 384], from: () => [transpose] },
    },
  },
  "norms less one": {
    store: (tensors) => {
      for (const [name, tensor] of tensors) {
        if (!normNames.test(name)) continue;
        const less = fromBf16(tensor.bytes).map((value) => value - 1);
        tensors.set(name, { ...tensor, bytes: toBf16(less) });
      }
    },
    roles: {
      final_norm: minusOne,
      ...Object.fromEntries(normRoles.map((role) => [role, minusOne])),
    },
  },
};

function fused(shape: readonly number[], from: readonly (typeof transpose)[]) {
  return { base: fusedName, shape: () => shape, from: () => from };
}

const scene = kernelScene();

/** What sensitivity, evaluation and repairs read: the weights of each role. */
describe("weights by role", () => {
  const open = async (folder: string, architecture: Architecture) => {
    const options = { allowHeaderOnly: false, architectures: [architecture] };
    const base = await readBase(await openFolder(folder), options);
    return { base, weights: finiteWeights(base, scene.kernel) };
  };

  test.each(Object.entries(layouts))("%s", async (name, { store, roles }) => {
    const expected = await open(plain, qwen3Moe);
    const folder = rewriteBase(plain, join(scene.scratch, `${name}, read`), store);
    const { base, weights } = await open(folder, withRoles(qwen3Moe, roles));
    expect(base.tensors.map((tensor) => [tensor.name, tensor.shape])).toEqual(
      expected.base.tensors.map((tensor) => [tensor.name, tensor.shape]),
    );
    for (const { layer, role, shape, sources } of base.tensors) {
      const values = await weights.unquantized(layer, role.role);
      expect(values).toEqual(await expected.weights.unquantized(layer, role.role));
      if (role.treatment !== "quantized") continue;
      const rows = [1, shape.at(-2)! - 3] as const;
      const last = sources.length - 1;
      const some = await weights.matrix(layer, role.role, last, rows);
      expect(some).toEqual(await expected.weights.matrix(layer, role.role, last, rows));
    }
    await Promise.all([expected.base, base].map(({ checkpoint }) => checkpoint.close()));
  });
});

describe.each(Object.entries(methods))("%s", (_, method) => {
  let expected: TierFiles;
  beforeAll(async () => {
    expected = await tierFiles(plain, qwen3Moe, method, scene);
  });

  test.each(Object.entries(layouts))("%s", async (name, { store, roles }) => {
    const base = rewriteBase(plain, join(scene.scratch, name), store);
    const architecture = withRoles(qwen3Moe, roles);
    const files = await tierFiles(base, architecture, method, scene);
    expect(files).toEqual(expected);
  });
});
