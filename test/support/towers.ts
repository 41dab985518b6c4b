import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rewriteBase, type Tensors } from "./base-layouts.ts";
import { byArchitecture } from "./models.ts";
import { readTensors } from "./safetensors.ts";

/** A vision tower and multi-token prediction (test/python/make_towers.py). */
export const towers = fileURLToPath(new URL("../models/qwen3_5-towers/", import.meta.url));

/**
 * Writes the random-tiny qwen3_5 with the towers to `folder`: a vision-language model. `change`
 * changes its tensors.
 */
export function visionBase(folder: string, change: (tensors: Tensors) => void = () => {}): string {
  const plain = byArchitecture.qwen3_5!;
  rewriteBase(plain, folder, (tensors) => {
    for (const [name, tensor] of readTensors(join(towers, "towers.safetensors")))
      tensors.set(name, tensor);
    change(tensors);
  });
  const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
  const config = { ...read(join(plain, "config.json")), ...read(join(towers, "vision.json")) };
  const { rope_parameters } = config.text_config;
  // mlx-vlm needs the sections of a picture's positions; text has one position in all of them.
  const rope = { ...rope_parameters, mrope_section: [2, 1, 1] };
  Object.assign(config.text_config, { rope_parameters: rope, mtp_num_hidden_layers: 1 });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify({ patch_size: 4 }));
  return folder;
}
