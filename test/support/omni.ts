import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseJson } from "../../src/checkpoint/json.ts";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { rewriteBase, type Tensors } from "./base-layouts.ts";
import { readTensors } from "./safetensors.ts";

/** A vision and a sound tower, and their keys of config.json (test/python/make_omni_towers.py). */
export const omniTowers = fileURLToPath(
  new URL("../models/nemotron_h_omni-towers/", import.meta.url),
);

/**
 * A base of an Omni model whose language model is the Nemotron-H in `from`, with whole towers.
 * `change` changes config and tensors.
 */
export function wrapInOmni(
  from: string,
  folder: string,
  change: (config: ModelConfig, tensors: Tensors) => void = () => {},
): string {
  const read = (path: string) => parseJson(readFileSync(path, "utf8"), path) as ModelConfig;
  const { torch_dtype, ...language } = read(join(from, "config.json"));
  const config: ModelConfig = {
    architectures: ["NemotronH_Nano_Omni_Reasoning_V3"],
    model_type: "NemotronH_Nano_Omni_Reasoning_V3",
    torch_dtype,
    llm_config: language,
    ...read(join(omniTowers, "towers.json")),
  };
  rewriteBase(from, folder, (tensors) => {
    for (const [name, tensor] of [...tensors]) {
      tensors.delete(name);
      tensors.set(`language_model.${name}`, tensor);
    }
    // Only a language model that predicts several tokens brings this norm.
    for (const [name, tensor] of readTensors(join(omniTowers, "towers.safetensors")))
      if (language.num_nextn_predict_layers || !name.includes("final_layernorm"))
        tensors.set(name, tensor);
    change(config, tensors);
  });
  // One key is infinite, which JSON.stringify would make null.
  const text = JSON.stringify(config, (_, value) => (value === Infinity ? "∞" : value));
  writeFileSync(join(folder, "config.json"), text.replaceAll('"∞"', "Infinity"));
  const pixels = { norm_mean: [0.48, 0.46, 0.41], norm_std: [0.27, 0.26, 0.28], patch_size: 4 };
  const budget = { min_num_patches: 16, max_num_patches: 16 };
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify({ ...pixels, ...budget }));
  return folder;
}
