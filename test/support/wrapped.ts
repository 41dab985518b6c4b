import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture, Role } from "../../src/models/architecture.ts";
import type { Carried } from "../../src/models/carried.ts";
import { foldNested } from "../../src/models/fold-nested.ts";
import { qwen3 } from "../../src/models/qwen3.ts";
import { channelsLast } from "../../src/models/transforms.ts";
import { rewriteBase, type Tensors } from "./base-layouts.ts";
import { byArchitecture } from "./models.ts";
import type { StoredBytes } from "./safetensors.ts";

/** Layers and channels of the made-up tower. */
const [depth, width, inner, hidden] = [2, 64, 128, 128];
const [patch, frames] = [4, 2];

const inVision = (config: Record<string, unknown>) => config.vision_config as { depth: number };
const layersOf = (config: Record<string, unknown>) =>
  (config.text_config as { mtp_num_hidden_layers?: number }).mtp_num_hidden_layers ?? null;

export const carried: readonly Carried[] = [
  {
    part: "vision",
    names: [["model.visual.", "vision_tower."]],
    moves: { "patch_embed.proj.weight": channelsLast },
    configKey: "vision_config",
    needs: ["patch_embed.proj.weight", "merger.norm.weight"],
    layers: { "model.visual.blocks.": (config) => inVision(config).depth },
  },
  { part: "mtp", names: [["mtp."]], layers: { "mtp.layers.": layersOf } },
];

const rename = (role: Role): Role => ({
  ...role,
  base: role.base.replace(/^model\./, "model.language_model."),
  mlx: `language_model.${role.mlx}`,
});

/** Qwen3 inside of a vision-language model, as stock mlx-lm and mlx-vlm run it. Not registered. */
export const wrapped: Architecture = {
  ...qwen3,
  modelType: "qwen3_vl",
  fold: foldNested(qwen3.fold),
  outer: qwen3.outer.map(rename),
  roles: (kind) => qwen3.roles(kind).map(rename),
  carried,
};

/** A base of `wrapped` with random towers: the random-tiny qwen3, renamed. */
export function wrapBase(folder: string, change: (tensors: Tensors) => void = () => {}): string {
  const plain = byArchitecture.qwen3!;
  rewriteBase(plain, folder, (tensors) => {
    for (const [name, tensor] of [...tensors]) {
      tensors.delete(name);
      tensors.set(name.replace(/^model\./, "model.language_model."), tensor);
    }
    for (const [name, shape] of Object.entries(towers())) tensors.set(name, random(name, shape));
    change(tensors);
  });
  const {
    architectures: _,
    model_type,
    ...text
  } = JSON.parse(readFileSync(join(plain, "config.json"), "utf8"));
  const config = {
    architectures: ["Qwen3VLForConditionalGeneration"],
    model_type: "qwen3_vl",
    image_token_id: 380,
    video_token_id: 381,
    vision_start_token_id: 382,
    vision_end_token_id: 383,
    tie_word_embeddings: text.tie_word_embeddings ?? false,
    text_config: {
      ...text,
      model_type: "qwen3_vl_text",
      mtp_num_hidden_layers: 1,
    },
    vision_config: {
      ...{ model_type: "qwen3_vl", depth, hidden_size: width, intermediate_size: inner },
      ...{ num_heads: 4, in_channels: 3, out_hidden_size: hidden, patch_size: patch },
      ...{ temporal_patch_size: frames, spatial_merge_size: 2, num_position_embeddings: 16 },
      deepstack_visual_indexes: [],
    },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify({ patch_size: patch }));
  return folder;
}

/** Name -> shape of the tensors beside the language model. */
function towers(): Record<string, readonly number[]> {
  const both = (name: string, rows: number, columns: number) => ({
    [`model.visual.${name}.weight`]: [rows, columns],
    [`model.visual.${name}.bias`]: [rows],
  });
  const norm = (name: string) => ({
    [`model.visual.${name}.weight`]: [width],
    [`model.visual.${name}.bias`]: [width],
  });
  const blocks = Array.from({ length: depth }, (_, i) => ({
    ...norm(`blocks.${i}.norm1`),
    ...norm(`blocks.${i}.norm2`),
    ...both(`blocks.${i}.attn.qkv`, 3 * width, width),
    ...both(`blocks.${i}.attn.proj`, width, width),
    ...both(`blocks.${i}.mlp.linear_fc1`, inner, width),
    ...both(`blocks.${i}.mlp.linear_fc2`, width, inner),
  }));
  return {
    "model.visual.patch_embed.proj.weight": [width, 3, frames, patch, patch],
    "model.visual.patch_embed.proj.bias": [width],
    "model.visual.pos_embed.weight": [16, width],
    ...Object.assign({}, ...blocks),
    ...norm("merger.norm"),
    ...both("merger.linear_fc1", 4 * width, 4 * width),
    ...both("merger.linear_fc2", hidden, 4 * width),
    "mtp.fc.weight": [hidden, 2 * hidden],
    "mtp.norm.weight": [hidden],
    "mtp.layers.0.mlp.up_proj.weight": [256, hidden],
  };
}

/** Small bf16 values that follow from the name. */
function random(name: string, shape: readonly number[]): StoredBytes {
  const count = shape.reduce((product, size) => product * size, 1);
  let state = [...name].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) >>> 0, 7);
  const bits = Uint16Array.from({ length: count }, () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return 0x3c00 + ((state >>> 16) & 0x81ff); // up to 0.06, either sign
  });
  return { dtype: "BF16", shape: [...shape], bytes: new Uint8Array(bits.buffer) };
}
