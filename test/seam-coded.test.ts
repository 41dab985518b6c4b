import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import type { Architecture, Role } from "../src/models/architecture.ts";
import { qwen3Moe } from "../src/models/qwen3-moe.ts";
import {
  evenRows,
  fp8,
  mxfp4,
  oddRows,
  sliceOfStack,
  type Transform,
} from "../src/models/transforms.ts";
import {
  interleave,
  rewriteBase,
  stack,
  type Tensors,
  take,
  withRoles,
} from "./support/base-layouts.ts";
import { asFp8, asMxfp4, type CodedMatrix } from "./support/coded-layouts.ts";
import { byArchitecture, editConfig, removeFolder, scratchFolder } from "./support/models.ts";
import type { StoredBytes } from "./support/safetensors.ts";
import { methods, tierFiles } from "./support/tier-files.ts";

/**
 * A base whose weights are codes and scales gives the same files as the base of their values. The
 * role table declares the coding.
 */

const [layers, experts, inner, hidden] = [2, 8, 64, 128];
const all = Number.POSITIVE_INFINITY;
const scaleName = (tensor: string) => `${tensor}_scale_inv`;

interface CodedBase {
  /** `quant_method` of its config. */
  readonly method: "fp8" | "mxfp4";
  /** Replaces matrices: by codes and scales, or by the values that those stand for. */
  readonly store: (tensors: Tensors, coded: boolean) => void;
  readonly roles: Readonly<Record<string, Partial<Role>>>;
}

/** Each matrix of a block as fp8, scales of another shape each. */
const fp8Blocks: Readonly<Record<string, readonly [number, number]>> = {
  q: [32, 48],
  k: [1, all],
  v: [all, all],
  o: [128, 128],
};
const expertBlock = [32, 32] as const;

const bases: Readonly<Record<string, CodedBase>> = {
  fp8: {
    method: "fp8",
    store: (tensors, coded) => {
      for (const [name, matrix] of [...tensors]) {
        const leaf = /\.([qkvo]|gate|up|down)_proj\.weight$/.exec(name)?.[1];
        if (leaf === undefined) continue;
        const [high, wide] = fp8Blocks[leaf] ?? expertBlock;
        const [rows, columns] = matrix.shape as [number, number];
        const block = [Math.min(high, rows), Math.min(wide, columns)] as const;
        const own = asFp8(matrix, block, leaf === "o");
        tensors.set(name, coded ? own.codes : own.values);
        if (coded) tensors.set(scaleName(name), leaf === "v" ? squeezed(own.scales) : own.scales);
      }
    },
    roles: {
      ...Object.fromEntries(
        Object.entries(fp8Blocks).map(([leaf, block]) => [
          `attention.${leaf}`,
          { from: () => [fp8(scaleName, block)] },
        ]),
      ),
      ...Object.fromEntries(
        ["gate", "up", "down"].map((leaf) => [
          `experts.${leaf}`,
          { from: () => [fp8(scaleName, expertBlock)] },
        ]),
      ),
      // Declared as well, but stored as floats by this base.
      head: { from: () => [fp8(scaleName, [128, 128])] },
    },
  },
  "mxfp4, gate and up in even and odd rows": {
    method: "mxfp4",
    store: (tensors, coded) => {
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
    },
    roles: {
      "experts.gate": stacked("gate_up", [experts, 2 * inner, hidden], [evenRows]),
      "experts.up": stacked("gate_up", [experts, 2 * inner, hidden], [oddRows]),
      "experts.down": stacked("down", [experts, hidden, inner], []),
    },
  },
};

function stacked(leaf: string, shape: readonly number[], rows: readonly Transform[]) {
  const from = [mxfp4, sliceOfStack, ...rows];
  return {
    base: `model.layers.{i}.mlp.experts.${leaf}_proj`,
    shape: () => shape,
    from: () => from,
  };
}

/** One scale of a matrix, as a scalar. */
function squeezed(scales: StoredBytes): StoredBytes {
  return { ...scales, shape: [] };
}

let kernel: Kernel;
let scratch: string;
const folders = new Map<CodedBase, { readonly values: string; readonly codes: string }>();

beforeAll(async () => {
  kernel = await openKernel({ workers: 2 });
  scratch = await scratchFolder();
  const plain = byArchitecture.qwen3_moe!;
  for (const [name, base] of Object.entries(bases)) {
    const [values, codes] = [false, true].map((coded) =>
      rewriteBase(plain, join(scratch, `${name} ${coded}`), (tensors) =>
        base.store(tensors, coded),
      ),
    ) as [string, string];
    await declare(codes, base.method);
    folders.set(base, { values, codes });
  }
});
afterAll(async () => {
  await kernel.close();
  await removeFolder(scratch);
});

/** Says in the config of a base how its weights are quantized. Keeps the text of its numbers. */
async function declare(folder: string, method: string): Promise<void> {
  const path = join(folder, "config.json");
  const text = (await readFile(path, "utf8")).replace(/^\{("quantization_config":\{[^}]*\},)?/, "");
  await writeFile(path, `{"quantization_config":{"quant_method":"${method}"},${text}`);
}

function decoding({ method, roles }: CodedBase): Architecture {
  return { ...withRoles(qwen3Moe, roles), decodes: [method] };
}

describe.each(Object.entries(bases))("%s", (_, base) => {
  test.each(Object.entries(methods))("%s", async (_, method) => {
    const { values, codes } = folders.get(base)!;
    const context = { kernel, scratch };
    const files = await tierFiles(codes, decoding(base), method, context);
    expect(files).toEqual(await tierFiles(values, qwen3Moe, method, context));
  });
});

describe("a coded base is refused", () => {
  const base = bases.fp8!;
  const query = "model.layers.0.self_attn.q_proj.weight";
  const open = async (folder: string, architecture: Architecture) => {
    const options = { allowHeaderOnly: false, architectures: [architecture] };
    return (await readBase(await openFolder(folder), options)).checkpoint.close();
  };
  /** A copy of the fp8 base with other tensors. */
  const spoiled = async (name: string, spoil: (tensors: Tensors) => void) => {
    const folder = rewriteBase(folders.get(base)!.codes, join(scratch, name), spoil);
    await declare(folder, base.method);
    return folder;
  };

  test("where the architecture declares no coding", async () => {
    const { codes } = folders.get(base)!;
    const architecture = withRoles(qwen3Moe, base.roles);
    await expect(open(codes, architecture)).rejects.toMatchObject({ code: "ALREADY_QUANTIZED" });
  });

  test("where the config names another method, or none", async () => {
    const other = await spoiled("gptq", () => {});
    await declare(other, "gptq");
    await expect(open(other, decoding(base))).rejects.toMatchObject({
      code: "ALREADY_QUANTIZED",
      message: expect.stringContaining("gptq"),
    });
    await editConfig(other, (config) => {
      delete config.quantization_config;
    });
    await expect(open(other, decoding(base))).rejects.toMatchObject({ code: "ALREADY_QUANTIZED" });
  });

  test.each<readonly [string, (tensors: Tensors) => void, string, string]>([
    [
      "codes without scales",
      (tensors) => tensors.delete(scaleName(query)),
      "BAD_CHECKPOINT",
      `"${scaleName(query)}" is missing`,
    ],
    [
      "scales without codes",
      (tensors) => {
        tensors.delete(query);
      },
      "BAD_CHECKPOINT",
      `"${query}" is missing`,
    ],
    [
      "scales beside floats",
      (tensors) => {
        const { shape } = tensors.get(query)!;
        const bytes = new Uint8Array(2 * shape[0]! * shape[1]!);
        tensors.set(query, { dtype: "BF16", shape, bytes });
      },
      "UNSUPPORTED_MODEL",
      `"${scaleName(query)}" is named by no role`,
    ],
    [
      "scales that fit no block",
      (tensors) => {
        const { dtype, bytes } = tensors.get(scaleName(query))!;
        tensors.set(scaleName(query), { dtype, bytes, shape: [3, 4] });
      },
      "BAD_CHECKPOINT",
      `"${scaleName(query)}" has shape [3, 4]; expected [4, 3]`,
    ],
    [
      "codes of a tensor that is not declared",
      (tensors) => {
        const norm = tensors.get("model.norm.weight")!;
        const bytes = norm.bytes.subarray(0, norm.bytes.length / 2);
        tensors.set("model.norm.weight", { ...norm, dtype: "F8_E4M3", bytes });
      },
      "BAD_CHECKPOINT",
      '"model.norm.weight" is F8_E4M3',
    ],
  ])("for %s", async (name, spoil, code, message) => {
    const folder = await spoiled(name, spoil);
    await expect(open(folder, decoding(base))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test.each(Object.entries(methods))(
    "for a code that is NaN, by place: %s",
    async (name, method) => {
      const folder = await spoiled(`NaN ${name}`, (tensors) => {
        const bytes = tensors.get(query)!.bytes.slice();
        bytes[37 * hidden + 5] = 0x7f;
        tensors.set(query, { ...tensors.get(query)!, bytes });
      });
      const made = tierFiles(folder, decoding(base), method, { kernel, scratch });
      await expect(made).rejects.toMatchObject({
        code: "BAD_CHECKPOINT",
        message: expect.stringContaining(
          `tensor "${query}" with scales "${scaleName(query)}" holds 1 NaN or infinite values, ` +
            "the first at [37, 5]",
        ),
      });
    },
  );
});
