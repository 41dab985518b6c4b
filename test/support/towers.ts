import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rewriteBase, type Tensors } from "./base-layouts.ts";
import { byArchitecture } from "./models.ts";
import { readTensors, writeTensors } from "./safetensors.ts";

/** A vision tower and multi-token prediction (test/python/make_towers.py). */
export const towers = fileURLToPath(new URL("../models/qwen3_5-towers/", import.meta.url));

/** Types with a tower that the tests put before the random-tiny language model. */
export type VisionType = "qwen3_5" | "qwen3_5_moe";

/**
 * Writes the random-tiny language model with the towers to `folder`: a vision-language model. The
 * one with experts has no multi-token prediction. `change` changes its tensors.
 */
export function visionBase(
  folder: string,
  change: (tensors: Tensors) => void = () => {},
  type: VisionType = "qwen3_5",
): string {
  const plain = byArchitecture[type]!;
  const hasMtp = type === "qwen3_5";
  rewriteBase(plain, folder, (tensors) => {
    for (const [name, tensor] of readTensors(join(towers, "towers.safetensors")))
      if (hasMtp || !name.startsWith("mtp.")) tensors.set(name, tensor);
    change(tensors);
  });
  const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
  const config = { ...read(join(plain, "config.json")), ...read(join(towers, "vision.json")) };
  config.vision_config = { ...config.vision_config, model_type: type };
  if (hasMtp) config.text_config.mtp_num_hidden_layers = 1;
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify({ patch_size: 4 }));
  return folder;
}

/** Turns the checkpoint into a shard with an index; `more` are further entries of that. */
export function splitOff(
  folder: string,
  change: (tensors: Tensors) => void,
  more: Readonly<Record<string, string>>,
): void {
  const [from, to] = ["model.safetensors", "model-00001-of-00001.safetensors"];
  renameSync(join(folder, from), join(folder, to));
  const tensors = readTensors(join(folder, to));
  change(tensors);
  writeTensors(join(folder, to), tensors);
  const own = Object.fromEntries([...tensors.keys()].map((name) => [name, to]));
  const index = { metadata: {}, weight_map: { ...own, ...more } };
  writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
}
