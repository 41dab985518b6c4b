import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Tensors } from "../support/base-layouts.ts";
import { rounded, runCli } from "../support/cli-run.ts";
import { editConfig } from "../support/models.ts";
import { unstackExperts, zeros } from "../support/mtp.ts";
import { type Fp8Layout, publishFp8 } from "../support/published-fp8.ts";
import { exitCodeOf, refusalScene, spoiled } from "../support/refusal.ts";
import { readTensors, writeTensors } from "../support/safetensors.ts";

/**
 * Bases in FP8 whose carried parts or experts are not whole: `plan`, `check` and `quantize` refuse
 * them with the same message, from headers, and write nothing.
 */

const layouts = {
  moe: { type: "qwen3_5_moe" },
  stacked: { type: "qwen3_5_moe", stacked: true },
  vision: { type: "qwen3_5" },
  next: { type: "qwen3_next" },
} as const satisfies Record<string, Fp8Layout>;

const scene = refusalScene(async ({ folder }) => {
  for (const [name, layout] of Object.entries(layouts))
    await publishFp8(layout, join(folder, name));
});

interface Damage {
  readonly of: keyof typeof layouts;
  readonly tensors?: (tensors: Tensors) => void;
  readonly config?: (config: Record<string, unknown>) => void;
  /** An empty file of tensors beside the others. */
  readonly file?: string;
  readonly code?: string;
  readonly says: string;
  /** The parts without which the base can be used. */
  readonly without?: "mtp" | "vision";
}

const q = "mtp.layers.0.self_attn.q_proj.weight";
const expert = "mtp.layers.0.mlp.experts.3.down_proj.weight";
const drop =
  (...names: string[]) =>
  (tensors: Tensors) => {
    for (const name of names) if (!tensors.delete(name)) throw new Error(`no ${name}`);
  };
const set =
  (name: string, change: (old: NonNullable<ReturnType<Tensors["get"]>>) => object) =>
  (tensors: Tensors) => {
    const old = tensors.get(name)!;
    tensors.set(name, { ...old, ...change(old) });
  };

const cases: Record<string, Damage> = {
  "scales of MTP without codes": {
    of: "moe",
    tensors: drop(q),
    says: `tensor "${q}_scale_inv" belongs to no codes`,
    without: "mtp",
  },
  "codes of MTP without scales": {
    of: "moe",
    tensors: drop(`${q}_scale_inv`),
    says: `tensor "${q}_scale_inv" is missing: the codes of its weights need it`,
    without: "mtp",
  },
  "scales of MTP that fit no block": {
    of: "next",
    tensors: set(`${q}_scale_inv`, ({ shape }) => ({ shape: shape.toReversed() })),
    says: `tensor "${q}_scale_inv" is BF16 of shape [2, 8], which fits no block of [256, 64]`,
    without: "mtp",
  },
  "MTP that lacks a matrix of an expert": {
    of: "moe",
    tensors: drop(expert, `${expert}_scale_inv`),
    says: `the multi-token prediction is incomplete: tensor "${expert}" is missing`,
    without: "mtp",
  },
  "codes of MTP of another shape than the config gives": {
    of: "moe",
    tensors: (tensors) => {
      for (const name of [expert, `${expert}_scale_inv`])
        set(name, ({ shape: [rows, columns], bytes }) => {
          return { shape: [rows! / 2, columns], bytes: bytes.slice(0, bytes.length / 2) };
        })(tensors);
    },
    says: `has tensor "${expert}" of shape [32, 64], but config.json gives [64, 64]`,
    without: "mtp",
  },
  "MTP with experts in two layouts": {
    of: "moe",
    tensors: (tensors) => tensors.set("mtp.layers.0.mlp.experts.gate_up_proj", zeros(8, 128, 64)),
    says: "the experts are in two layouts",
    without: "mtp",
  },
  "a language model with experts in two layouts": {
    of: "stacked",
    tensors: (tensors) => {
      for (const name of tensors.keys())
        if (/layers\.1\.mlp\.experts.*_scale_inv$/.test(name)) tensors.delete(name);
      unstackExperts(tensors, "model.language_model.layers.1.");
      for (const [name, { shape }] of [...tensors])
        if (/layers\.1\.mlp\.experts\.\d/.test(name)) tensors.set(name, zeros(...shape));
    },
    says:
      'the experts are in two layouts: "model.language_model.layers.1.mlp.experts.0.down_proj.' +
      'weight" is of one expert, "model.language_model.layers.0.mlp.experts.down_proj" of all',
  },
  "half a vision tower": {
    of: "vision",
    tensors: drop("model.visual.blocks.1.attn.qkv.weight"),
    says: 'the vision tower is incomplete: tensor "model.visual.blocks.1.attn.qkv.weight"',
    without: "vision",
  },
  "a convolution of the tower in codes": {
    of: "vision",
    tensors: (tensors) => {
      const name = "model.visual.patch_embed.proj.weight";
      const { shape } = tensors.get(name)!;
      const count = shape.reduce((all, size) => all * size, 1);
      const scales = zeros(...shape.slice(0, -2), 1, 1);
      tensors.set(name, { dtype: "F8_E4M3", shape, bytes: new Uint8Array(count) });
      tensors.set(`${name}_scale_inv`, scales);
    },
    config: (config) => {
      const settings = config.quantization_config as { modules_to_not_convert: string[] };
      settings.modules_to_not_convert = settings.modules_to_not_convert.filter(
        (name) => !name.includes("patch_embed"),
      );
    },
    code: "UNSUPPORTED_MODEL",
    says: 'tensor "model.visual.patch_embed.proj.weight" of the vision tower holds codes in another',
    without: "vision",
  },
  "MTP as a layer behind the last": {
    of: "next",
    tensors: (tensors) => tensors.set("model.layers.4.eh_proj.weight", zeros(64, 128)),
    config: (config) => Object.assign(config, { num_nextn_predict_layers: 1 }),
    code: "UNSUPPORTED_MODEL",
    says:
      'tensor "model.layers.4.eh_proj.weight" is of layer 4, but config.json gives 4 layers and 1 ' +
      "of multi-token prediction: readers of qwen3_next know no layer behind the last",
  },
  "MTP in a file that mlx-lm would load": {
    of: "moe",
    file: "model-mtp.safetensors",
    says: 'has "model-mtp.safetensors", and no model.safetensors.index.json that names it: mlx-lm',
  },
  "codes of a module that is listed as not converted": {
    of: "next",
    config: (config) => {
      const settings = config.quantization_config as { modules_to_not_convert: string[] };
      settings.modules_to_not_convert.push("mtp.layers.0.self_attn");
    },
    says: '"mtp.layers.0.self_attn.k_proj" is declared as not quantized, but',
    without: "mtp",
  },
};

describe.each(Object.entries(cases))("%s", (_, damage) => {
  test("plan, check and quantize give one message and write nothing", async () => {
    const { of, tensors, config, file, code = "BAD_CHECKPOINT", says, without } = damage;
    const folder = await spoiled(join(scene.folder, of, "codes"), async (at) => {
      const path = join(at, "model.safetensors");
      const all = readTensors(path);
      tensors?.(all);
      writeTensors(path, all);
      if (file !== undefined) writeTensors(join(at, file), new Map());
      if (config !== undefined) await editConfig(at, config);
    })();
    await scene.hub.seed("base/broken", folder);
    const series = join(folder, "series/series.yml");
    await mkdir(join(folder, "series"));
    const model = "base-model: base/broken\n    namespace: acme\n    method: rounded\n";
    await writeFile(series, `models:\n  - ${model}`);
    const out = join(folder, "out");
    for (const command of [
      ["plan", folder],
      ["check", series],
      ["quantize", folder, "--out", out, ...rounded],
    ]) {
      const result = await runCli(command, { HF_ENDPOINT: scene.hub.url });
      expect(result.code, result.stderr).toBe(exitCodeOf(code));
      const errors = result.stderr.split("\n").filter((line) => line.startsWith("error: "));
      expect(errors).toHaveLength(1);
      expect(errors[0]).toContain(says);
      expect(errors[0]).toContain(`[${code}]`);
      expect(existsSync(out)).toBe(false);
    }
    if (without === undefined) return;
    const kept = without === "mtp" ? "vision" : "mtp";
    const { code: ended, stderr } = await runCli(["plan", folder, "--carry", kept]);
    expect({ ended, stderr }).toMatchObject({ ended: 0 });
  });
});
