import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";

// Readers of folded configs (fold.ts), which have a value for every key that a model needs. They
// have no defaults of their own. With them the pass would run another model than the written
// config.

/** Reads a positive integer. Throws BAD_CHECKPOINT. */
export function integer(config: ModelConfig, key: string): number {
  const value = config[key];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  throw wrong(config, key, "a positive integer");
}

/** More blocks than any model has. A config that says more is damaged, or made to fill memory. */
const mostLayers = 10_000;

/** Reads a count of blocks. Throws BAD_CHECKPOINT. */
export function layerCount(config: ModelConfig, key: string): number {
  const count = integer(config, key);
  if (count <= mostLayers) return count;
  throw bad(`"${key}" is ${count}; no model has more than ${mostLayers} layers`);
}

/** Reads a boolean. Throws BAD_CHECKPOINT. */
export function flag(config: ModelConfig, key: string): boolean {
  const value = config[key];
  if (typeof value === "boolean") return value;
  throw wrong(config, key, "true or false");
}

/** Reads a finite number. Throws BAD_CHECKPOINT. */
export function number(config: ModelConfig, key: string): number {
  const value = config[key];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw wrong(config, key, "a number");
}

/** Reads a finite number above 0. Throws BAD_CHECKPOINT. */
export function positive(config: ModelConfig, key: string): number {
  const value = config[key];
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw wrong(config, key, "a positive number");
}

/** Whether a nullable key is set. */
export function has(config: ModelConfig, key: string): boolean {
  return config[key] !== undefined && config[key] !== null;
}

/** Channels of one attention head. */
export function headSize(config: ModelConfig): number {
  return integer(config, "head_dim");
}

/** Rows of q_proj: all query heads together. */
export function querySize(config: ModelConfig): number {
  return integer(config, "num_attention_heads") * headSize(config);
}

/** Rows of k_proj and v_proj: the key/value heads together. */
export function keySize(config: ModelConfig): number {
  return integer(config, "num_key_value_heads") * headSize(config);
}

/** Throws BAD_CHECKPOINT unless the integer under `part` divides that under `whole`. */
export function divides(config: ModelConfig, part: string, whole: string): void {
  const [divisor, value] = [integer(config, part), integer(config, whole)];
  if (value % divisor === 0) return;
  throw bad(`"${whole}" is ${value}, not a multiple of "${part}", ${divisor}`);
}

function wrong(config: ModelConfig, key: string, expected: string): OqeError {
  return bad(`"${key}" should be ${expected}, got ${show(config[key])}`);
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    `config.json: ${message}`,
    "Check that the config belongs to this checkpoint.",
  );
}
