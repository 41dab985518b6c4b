import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "vitest";
import type { Tensors } from "../support/base-layouts.ts";
import { publications, publish } from "../support/coded-bases.ts";
import { editConfig, smallest } from "../support/models.ts";
import { refusalScene, spoiled } from "../support/refusal.ts";
import { readTensors, type StoredBytes, writeTensors } from "../support/safetensors.ts";

/** Bases whose codes, scales and settings do not fit each other. */

const ways = {
  blocks: "fp8 in blocks, one of each shape",
  modelopt: "fp8, a scale a tensor, of ModelOpt",
  int4: "int4 of compressed-tensors",
  zeros: "int4 with zero points of compressed-tensors",
} as const;
type Way = keyof typeof ways;

const scene = refusalScene(async ({ folder }) => {
  for (const [way, name] of Object.entries(ways))
    await publish(smallest.llama!, join(folder, way), publications[name]!);
});

type Settings = Record<string, never> & { config_groups: { group_0: { weights: object } } };

interface Damage {
  readonly tensors?: (tensors: Tensors) => void;
  readonly settings?: (settings: Settings, config: Record<string, unknown>) => void;
  readonly file?: readonly [name: string, text: string];
}

const q = "model.layers.0.self_attn.q_proj.weight";
const scales = `${q}_scale_inv`;

function damaged(way: Way, { tensors, settings, file }: Damage) {
  return async () => {
    const make = spoiled(join(scene.folder, way, "codes"), async (at) => {
      const path = join(at, "model.safetensors");
      const all = readTensors(path);
      tensors?.(all);
      if (tensors !== undefined) writeTensors(path, all);
      if (settings !== undefined) {
        await editConfig(at, (config) =>
          settings(config.quantization_config as Settings, config as Record<string, unknown>),
        );
      }
      if (file !== undefined) await writeFile(join(at, file[0]), file[1]);
    });
    return make();
  };
}

/** Replaces a tensor. */
const change =
  (name: string, edit: (tensor: StoredBytes) => Partial<StoredBytes>) => (tensors: Tensors) => {
    const tensor = tensors.get(name)!;
    tensors.set(name, { ...tensor, ...edit(tensor) });
  };
/** Replaces one scale (F32). */
const scaleOf = (value: number) =>
  change(scales, ({ bytes }) => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setFloat32(4, value, true);
    return { bytes: copy };
  });
const weights = (edit: Record<string, unknown>) => (settings: Settings) => {
  Object.assign(settings.config_groups.group_0.weights, edit);
};

const cases: Record<string, readonly [Way, Damage, code: string, says: RegExp]> = {
  "codes without scales": [
    "blocks",
    { tensors: (all) => all.delete(scales) },
    "BAD_CHECKPOINT",
    /"model\.layers\.0\.self_attn\.q_proj\.weight_scale_inv" is missing/,
  ],
  "scales without codes": [
    "blocks",
    { tensors: (all) => all.delete(q) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" belongs to no codes/,
  ],
  "scales beside floats": [
    "blocks",
    {
      tensors: change(q, ({ shape }) => {
        return { dtype: "BF16", bytes: new Uint8Array(2 * shape[0]! * shape[1]!) };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" belongs to no codes/,
  ],
  "scales of a shape that fits no block": [
    "blocks",
    { tensors: change(scales, ({ shape }) => ({ shape: [shape[1]!, shape[0]!] })) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" is F32 of shape \[\d, \d\], which fits no block of .* expected/,
  ],
  "a scale that is NaN": [
    "blocks",
    { tensors: scaleOf(Number.NaN) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" holds a scale that is NaN or infinite, at \[0, 1\]/,
  ],
  "a scale that is infinite": [
    "blocks",
    { tensors: scaleOf(Number.POSITIVE_INFINITY) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" holds a scale that is NaN or infinite, at \[0, 1\]/,
  ],
  "a scale that is zero": [
    "blocks",
    { tensors: scaleOf(0) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" holds a scale that is zero, at \[0, 1\]/,
  ],
  "a code that is NaN": [
    "blocks",
    {
      tensors: change(q, ({ shape, bytes }) => {
        const copy = bytes.slice();
        copy[37 * shape[1]! + 5] = 0x7f;
        return { bytes: copy };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight" with scales ".*_scale_inv" holds 1 NaN or infinite values.* \[37, 5\]/,
  ],
  "codes of a tensor that is never coded": [
    "blocks",
    {
      tensors: change("model.norm.weight", ({ bytes }) => {
        return { dtype: "F8_E4M3", bytes: bytes.subarray(0, bytes.length / 2) };
      }),
    },
    "BAD_CHECKPOINT",
    /"model\.norm\.weight/,
  ],
  "codes of a module that is not converted": [
    "blocks",
    {
      settings: (own) => Object.assign(own, { modules_to_not_convert: [q.replace(".weight", "")] }),
    },
    "BAD_CHECKPOINT",
    /"model\.layers\.0\.self_attn\.q_proj" is declared as not quantized/,
  ],
  "codes of a module below a pattern of what is not converted": [
    "blocks",
    {
      settings: (own) =>
        Object.assign(own, { modules_to_not_convert: ["model.layers.*.self_attn"] }),
    },
    "BAD_CHECKPOINT",
    /"model\.layers\.0\.self_attn\.\w_proj" is declared as not quantized/,
  ],
  "codes that nothing declares": [
    "blocks",
    { settings: (_, config) => delete config.quantization_config },
    "ALREADY_QUANTIZED",
    /F8_E4M3/,
  ],
  "two places that contradict each other": [
    "blocks",
    {
      settings: (own, config) =>
        Object.assign(config, {
          text_config: { quantization_config: { ...own, weight_block_size: [64, 64] } },
        }),
    },
    "BAD_CHECKPOINT",
    /"quantization_config" of config\.json .*"text_config\.quantization_config"/,
  ],
  "a file of ModelOpt that contradicts the config": [
    "blocks",
    { file: ["hf_quant_config.json", '{"quantization":{"quant_algo":"FP8"}}'] },
    "BAD_CHECKPOINT",
    /\(fp8\) and "quantization" of hf_quant_config\.json \(modelopt\) contradict/,
  ],
  "an algorithm of ModelOpt that is not decoded": [
    "modelopt",
    { settings: (own) => Object.assign(own, { quant_algo: "NVFP4" }) },
    "ALREADY_QUANTIZED",
    /quant_algo "NVFP4"/,
  ],
  "an unknown format": [
    "int4",
    { settings: (own) => Object.assign(own, { format: "nvfp4-pack-quantized" }) },
    "ALREADY_QUANTIZED",
    /format "nvfp4-pack-quantized"; this program decodes pack-quantized/,
  ],
  "an unknown strategy": [
    "int4",
    { settings: weights({ strategy: "tensor_group" }) },
    "ALREADY_QUANTIZED",
    /strategy "tensor_group"/,
  ],
  "an unknown number of bits": [
    "int4",
    { settings: weights({ num_bits: 3 }) },
    "ALREADY_QUANTIZED",
    /3 bits of type "int"/,
  ],
  "groups that do not divide a row": [
    "int4",
    {
      settings: weights({ group_size: 24 }),
      tensors: (all) => {
        for (const [name, { shape }] of all)
          if (name.endsWith("_scale")) {
            const own = [shape[0]!, Math.ceil((shape[1]! * 32) / 24)] as const;
            const bytes = new Uint8Array(2 * own[0] * own[1]);
            all.set(name, { dtype: "BF16", shape: own, bytes });
          }
      },
    },
    "BAD_CHECKPOINT",
    /has rows of \d+ values, which do not fill whole groups of 24/,
  ],
  "a shape beside the codes that contradicts them": [
    "int4",
    {
      tensors: change(`${q}_shape`, ({ bytes }) => {
        const copy = bytes.slice();
        copy[0]! ^= 1;
        return { bytes: copy };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight_shape" says that ".*q_proj\.weight" has shape \[\d+, \d+\], but its codes/,
  ],
  "zero points that are missing": [
    "zeros",
    { tensors: (all) => all.delete(`${q}_zero_point`) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_packed" has no zero points, but its codes are declared as asymmetric/,
  ],
  "zero points of another shape": [
    "zeros",
    { tensors: change(`${q}_zero_point`, ({ shape }) => ({ shape: shape.toReversed() })) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_zero_point" has shape/,
  ],
  "zero points of codes that are symmetric": [
    "zeros",
    { settings: weights({ symmetric: true }) },
    "BAD_CHECKPOINT",
    /weight_zero_point" holds zero points of codes that are declared as symmetric/,
  ],
};

describe("a coded base is refused", () => {
  test.each(Object.entries(cases))("for %s", async (_, [way, damage, code, says]) => {
    await scene.expectRefused({ base: damaged(way, damage), code, says });
  });
});

describe("a base that somebody quantized is refused", () => {
  const card = (fields: string) => `---\nlicense: mit\n${fields}---\n`;
  const says = /its card says that it is a quantization of "acme\/Tiny"/;
  test("where its card says so", async () => {
    const text = card("base_model: acme/Tiny\nbase_model_relation: quantized\n");
    const base = damaged("blocks", { file: ["README.md", text] });
    await scene.expectRefused({ base, code: "ALREADY_QUANTIZED", says });
  });
});
