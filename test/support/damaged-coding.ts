import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensors } from "./base-layouts.ts";
import { publications, publish } from "./coded-bases.ts";
import { editConfig, smallest } from "./models.ts";
import { refusalScene, spoiled } from "./refusal.ts";
import { readTensors, type StoredBytes, writeTensors } from "./safetensors.ts";

const ways = {
  mixed: "fp8 and mxfp8 of ModelOpt, by layer",
  patterns: "fp8 and int4 of compressed-tensors, by patterns",
  blocks: "fp8 in blocks, one of each shape",
  modelopt: "fp8, a scale a tensor, of ModelOpt",
  int4: "int4 of compressed-tensors",
  zeros: "int4 with zero points of compressed-tensors",
} as const;
/** A way to publish a base. */
export type Way = keyof typeof ways;

export type Settings = Record<string, never> & { config_groups: { group_0: { weights: object } } };

/** What is wrong with a coded base. */
export interface Damage {
  readonly tensors?: (tensors: Tensors) => void;
  readonly settings?: (settings: Settings, config: Record<string, unknown>) => void;
  readonly file?: readonly [name: string, text: string];
}

export const q = "model.layers.0.self_attn.q_proj.weight";
/** A damage, and how it must be refused. */
export type DamagedCase = readonly [Way, Damage, code: string, says: RegExp];

/** Opens a scene with a base of each way. */
export function codingScene() {
  const scene = refusalScene(async ({ folder }) => {
    for (const [way, name] of Object.entries(ways))
      await publish(smallest.llama!, join(folder, way), publications[name]!);
  });
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
  return { scene, damaged };
}

/** Replaces a tensor. */
export const change =
  (name: string, edit: (tensor: StoredBytes) => Partial<StoredBytes>) => (tensors: Tensors) => {
    const tensor = tensors.get(name)!;
    tensors.set(name, { ...tensor, ...edit(tensor) });
  };
/** Changes the weights of the first group of compressed-tensors. */
export const weights = (edit: Record<string, unknown>) => (settings: Settings) => {
  Object.assign(settings.config_groups.group_0.weights, edit);
};
