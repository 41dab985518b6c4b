import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson } from "../../src/checkpoint/json.ts";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { rewriteBase, type Tensors } from "./base-layouts.ts";

/** Names of the towers as NVIDIA publishes them, a few of each. */
const towers = [
  "vision_model.radio_model.model.blocks.0.attn.qkv.weight",
  "vision_model.radio_model.summary_idxs",
  "vision_projector.vision_final_layernorm.weight",
  "mlp1.1.weight",
  "sound_encoder.encoder.layers.0.self_attn.q_proj.weight",
  "sound_projection.linear1.weight",
];

/** A base of an Omni model whose language model is the Nemotron-H in `from`. */
export function wrapInOmni(
  from: string,
  folder: string,
  change: (config: ModelConfig, tensors: Tensors) => void = () => {},
): string {
  const path = join(from, "config.json");
  const { torch_dtype, ...language } = parseJson(readFileSync(path, "utf8"), path) as ModelConfig;
  const config: ModelConfig = {
    architectures: ["NemotronH_Nano_Omni_Reasoning_V3"],
    model_type: "NemotronH_Nano_Omni_Reasoning_V3",
    torch_dtype,
    img_context_token_id: 18,
    llm_config: language,
    vision_config: { model_type: "radio", patch_size: 16 },
    sound_config: { model_type: "parakeet", hidden_size: 1024 },
  };
  rewriteBase(from, folder, (tensors) => {
    for (const [name, tensor] of [...tensors]) {
      tensors.delete(name);
      tensors.set(`language_model.${name}`, tensor);
    }
    for (const name of towers)
      tensors.set(name, { dtype: "BF16", shape: [8, 8], bytes: new Uint8Array(128) });
    change(config, tensors);
  });
  // One key is infinite, which JSON.stringify would make null.
  const text = JSON.stringify(config, (_, value) => (value === Infinity ? "∞" : value));
  writeFileSync(join(folder, "config.json"), text.replaceAll('"∞"', "Infinity"));
  return folder;
}
