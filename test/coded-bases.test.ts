import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import type { Architecture } from "../src/models/architecture.ts";
import { qwen3Moe } from "../src/models/qwen3-moe.ts";
import {
  evenRows,
  oddRows,
  sliceOfStack,
  type Transform,
  transpose,
} from "../src/models/transforms.ts";
import {
  interleave,
  rewriteBase,
  stack,
  type Tensors,
  take,
  withRoles,
} from "./support/base-layouts.ts";
import { declare, publications, publish } from "./support/coded-bases.ts";
import { asMxfp4, type CodedMatrix } from "./support/coded-layouts.ts";
import { openBase, run, someIds } from "./support/forward-run.ts";
import { kernelScene } from "./support/kernel-scene.ts";
import { byArchitecture } from "./support/models.ts";
import { methods, tierFiles } from "./support/tier-files.ts";

/**
 * A base whose weights are codes and scales gives the same files as the base of their values,
 * whatever its architecture, which knows nothing of codes.
 */

const scene = kernelScene();

const plain = byArchitecture.qwen3_moe!;
/** From 4 bits on, codes of mxfp4 are stored as they are (kept-codes.test.ts). */
const threeBits = { choice: { name: "oQ3.5e", bpw: 3.5 } };

describe.each(Object.entries(publications))("%s", (name, publication) => {
  test("gives the tier of its values", async () => {
    const { values, codes } = await publish(plain, join(scene.scratch, name), publication);
    const own = { ...scene, ...(name.startsWith("mxfp4") && threeBits) };
    const files = await tierFiles(codes, qwen3Moe, null, own);
    expect(files).toEqual(await tierFiles(values, qwen3Moe, null, own));
  });
});

test("the logits of a coded base are those of its values, bit for bit", async () => {
  for (const [name, from] of [
    ["fp8 in blocks, values that BF16 does not hold", byArchitecture.llama!],
    ["fp8 in blocks, one of each shape", plain],
    ["int4 of compressed-tensors", byArchitecture.llama!],
  ] as const) {
    const { values, codes } = await publish(
      from,
      join(scene.scratch, `logits ${name}`),
      publications[name]!,
    );
    const [one, other] = await Promise.all(
      [values, codes].map(async (folder) => {
        const model = await openBase(folder, scene.kernel);
        const ids = someIds(64, model.config.vocab_size as number);
        const { logits } = await run(model, ids, 32);
        await model.close();
        return Buffer.from(logits.buffer);
      }),
    );
    expect(one!.equals(other!), name).toBe(true);
  }
});

const [layers, experts, inner, hidden] = [2, 8, 64, 128];

/** Gate and up of all experts in the even and odd rows of one tensor of mxfp4. */
function fuse(tensors: Tensors, coded: boolean): void {
  for (let layer = 0; layer < layers; layer++) {
    const [gates, ups, downs] = ["gate", "up", "down"].map((leaf) =>
      Array.from({ length: experts }, (_, e) => {
        const name = `model.layers.${layer}.mlp.experts.${e}.${leaf}_proj.weight`;
        const own = asMxfp4(take(tensors, [name])[0]!);
        if (!coded) tensors.set(name, own.values);
        return own;
      }),
    ) as [CodedMatrix[], CodedMatrix[], CodedMatrix[]];
    if (!coded) continue;
    for (const part of ["codes", "scales"] as const) {
      const suffix = part === "codes" ? "blocks" : "scales";
      const name = (leaf: string) => `model.layers.${layer}.mlp.experts.${leaf}_proj_${suffix}`;
      const both = gates.map((gate, e) => interleave(gate[part], ups[e]![part]));
      tensors.set(name("gate_up"), stack(both));
      tensors.set(name("down"), stack(downs.map((down) => down[part])));
    }
  }
}

function stacked(leaf: string, shape: readonly number[], rows: readonly Transform[]) {
  const from = [transpose, sliceOfStack, ...rows];
  return {
    base: `model.layers.{i}.mlp.experts.${leaf}_proj`,
    shape: () => shape,
    from: () => from,
  };
}

describe("mxfp4 with gate and up in even and odd rows", () => {
  const architecture: Architecture = withRoles(qwen3Moe, {
    "experts.gate": stacked("gate_up", [experts, hidden, 2 * inner], [evenRows]),
    "experts.up": stacked("gate_up", [experts, hidden, 2 * inner], [oddRows]),
    "experts.down": stacked("down", [experts, inner, hidden], []),
  });
  test.each(Object.entries(methods))("%s", async (way, method) => {
    const [values, codes] = [false, true].map((coded) =>
      rewriteBase(plain, join(scene.scratch, `fused ${way} ${coded}`), (tensors) =>
        fuse(tensors, coded),
      ),
    ) as [string, string];
    await declare(codes, { quant_method: "mxfp4" });
    const own = { ...scene, ...threeBits };
    const files = await tierFiles(codes, architecture, method, own);
    expect(files).toEqual(await tierFiles(values, qwen3Moe, method, own));
  });
});

test("the bytes that a base is published in are counted, scales included", async () => {
  const name = "int4 with zero points of compressed-tensors";
  const { codes } = await publish(plain, join(scene.scratch, "counted"), publications[name]!);
  const base = await readBase(await openFolder(codes), { allowHeaderOnly: false });
  const notWeights = /weight_shape$/;
  const stored = [...base.checkpoint.tensors.values()]
    .filter((tensor) => !notWeights.test(tensor.name))
    .reduce((sum, { start, end }) => sum + end - start, 0);
  expect(base.coded?.publishedBytes).toBe(stored);
  await base.checkpoint.close();
});

test("copies of shapes are compared when a base is opened, before any weight is read", async () => {
  const way = publications["int4 of compressed-tensors"]!;
  const { codes } = await publish(plain, join(scene.scratch, "shapes"), way);
  const open = async (folder: string) =>
    readBase(await openFolder(folder), { allowHeaderOnly: true });
  const base = await open(codes);
  const codings = base.tensors.flatMap(({ sources }) => sources.flatMap((one) => one.coding ?? []));
  expect(codings.map(({ shapeCopy }) => shapeCopy)).toEqual(codings.map(() => null));
  await base.checkpoint.close();
  const copy = "model.layers.1.mlp.experts.7.down_proj.weight_shape";
  const damaged = rewriteBase(codes, join(scene.scratch, "damaged shapes"), (tensors) => {
    const one = tensors.get(copy)!;
    tensors.set(copy, { ...one, bytes: one.bytes.map((byte) => byte ^ 1) });
  });
  await expect(open(damaged)).rejects.toMatchObject({
    code: "BAD_CHECKPOINT",
    message: expect.stringContaining(`tensor "${copy}" says that`),
  });
});
