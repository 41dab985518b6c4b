import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { RopeScaling } from "../kernel/routines/rotary.ts";
import { has, integer, number } from "./config-fields.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Each way to stretch rotary positions, with the meaning and defaults that transformers gives it (modeling_rope_utils.py). */
const readers: Readonly<Record<string, (rope: Fields, config: ModelConfig) => RopeScaling>> = {
  default: () => ({ kind: "default" }),
  linear: (rope) => ({ kind: "linear", factor: positive(rope, "factor") }),
  llama3: (rope, config) => ({
    kind: "llama3",
    factor: positive(rope, "factor"),
    low: positive(rope, "low_freq_factor"),
    high: positive(rope, "high_freq_factor"),
    original: original(rope, config),
  }),
  yarn: (rope, config) => ({
    kind: "yarn",
    factor: has(rope, "factor")
      ? positive(rope, "factor")
      : positions(config) / original(rope, config),
    fast: positive(rope, "beta_fast", 32),
    slow: positive(rope, "beta_slow", 1),
    original: original(rope, config),
    whole: rope.truncate !== false,
    attention: has(rope, "attention_factor") ? positive(rope, "attention_factor") : null,
    mscales: [number(rope, "mscale", 0), number(rope, "mscale_all_dim", 0)],
  }),
};

/**
 * Base wavelength and scaling of the rotary embedding. Throws UNSUPPORTED_MODEL for a type that we do not know, BAD_CHECKPOINT for
 * parameters that make no sense.
 */
export function ropeOf(config: ModelConfig): {
  readonly base: number;
  readonly scaling: RopeScaling;
} {
  refuseOddities(config);
  const rope = fieldsOf(config.rope_scaling ?? {});
  const type = rope.rope_type ?? rope.type ?? "default";
  if (typeof type !== "string" || !Object.hasOwn(readers, type)) {
    throw unsupported(
      `rope type ${JSON.stringify(type)}`,
      `; known are ${Object.keys(readers).join(", ")}`,
    );
  }
  return { base: positive(config, "rope_theta", 10_000), scaling: readers[type]!(rope, config) };
}

/** What mlx-lm does not read, or transformers only layer by layer. */
function refuseOddities(config: ModelConfig): void {
  if (has(config, "rope_parameters")) throw unsupported("rope_parameters for each kind of layer");
  const partial = config.partial_rotary_factor ?? 1;
  if (partial !== 1) throw unsupported(`partial_rotary_factor ${JSON.stringify(partial)}`);
}

function unsupported(what: string, known = ""): OqeError {
  return new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: ${what} is nothing that tuning can compute${known}`,
    "Quantize the model without tuning (method: rounded).",
  );
}

function fieldsOf(value: unknown): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "rope_scaling" should be an object, got ${JSON.stringify(value)}`,
  );
}

function positive(fields: Fields, key: string, fallback = Number.NaN): number {
  const value = fields[key] ?? fallback;
  if (typeof value === "number" && value > 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "${key}" of the rotary embedding should be a positive number, got ${JSON.stringify(fields[key]) ?? "nothing"}`,
  );
}

/** Positions that the model has. */
const positions = (config: ModelConfig) => integer(config, "max_position_embeddings");

/** Positions that it was pretrained on: where the config says it outside of the rope's parameters, that counts. */
function original(rope: Fields, config: ModelConfig): number {
  const key = "original_max_position_embeddings";
  const holder = [config, rope].find((fields) => has(fields, key));
  return holder === undefined ? positions(config) : integer(holder, key);
}
