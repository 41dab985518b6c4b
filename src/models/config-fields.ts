import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";

/** Reads a positive integer of the config, or `fallback` where the key is absent or null. Throws BAD_CHECKPOINT. */
export function integer(config: ModelConfig, key: string, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "${key}" should be a positive integer, got ${JSON.stringify(value) ?? "nothing"}`,
      "Check that the config belongs to this checkpoint.",
    );
  }
  return value;
}

/** More blocks than any model has by far: a config that says more is damaged, or means to fill our memory. */
const mostLayers = 10_000;

/** Reads a count of blocks. Throws BAD_CHECKPOINT. */
export function layerCount(config: ModelConfig, key: string): number {
  const count = integer(config, key);
  if (count > mostLayers) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "${key}" is ${count}; no model has more than ${mostLayers} layers`,
    );
  }
  return count;
}

/** Reads a boolean, or `fallback` where the key is absent or null. Throws BAD_CHECKPOINT. */
export function flag(config: ModelConfig, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback;
  if (typeof value !== "boolean") {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "${key}" should be true or false, got ${JSON.stringify(value)}`,
    );
  }
  return value;
}

/** Whether a nullable key is set. */
export function has(config: ModelConfig, key: string): boolean {
  return config[key] !== undefined && config[key] !== null;
}

/** Width of one attention head: `head_dim`, else hidden_size / heads. */
export function headSize(config: ModelConfig): number {
  return integer(
    config,
    "head_dim",
    integer(config, "hidden_size") / integer(config, "num_attention_heads"),
  );
}

/** Rows of q_proj: all query heads together. */
export function querySize(config: ModelConfig): number {
  return integer(config, "num_attention_heads") * headSize(config);
}

/** Rows of k_proj and v_proj: the key/value heads together. */
export function keySize(config: ModelConfig): number {
  return (
    integer(config, "num_key_value_heads", integer(config, "num_attention_heads")) *
    headSize(config)
  );
}

/** Reads a finite number, or `fallback` where the key is absent or null. Throws BAD_CHECKPOINT. */
export function number(config: ModelConfig, key: string, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "${key}" should be a number, got ${JSON.stringify(value)}`,
    );
  }
  return value;
}

/** Reads a finite number above 0. Throws BAD_CHECKPOINT. */
export function positive(config: ModelConfig, key: string): number {
  const value = config[key];
  if (typeof value === "number" && value > 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "${key}" should be a positive number, got ${JSON.stringify(value) ?? "nothing"}`,
    "Check that the config belongs to this checkpoint.",
  );
}

/** Throws BAD_CHECKPOINT unless the number under `part` divides that under `whole`. Absent keys divide everything. */
export function divides(config: ModelConfig, part: string, whole: string): void {
  if (!has(config, part) || !has(config, whole)) return;
  const [divisor, value] = [integer(config, part), integer(config, whole)];
  if (value % divisor === 0) return;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "${whole}" is ${value}, no multiple of "${part}", ${divisor}`,
  );
}
