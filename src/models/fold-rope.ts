import { isDeepStrictEqual } from "node:util";
import { asObject, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { has, headSize, integer, positive } from "./config-fields.ts";
import { contradiction, type Folding, objectAt } from "./fold.ts";

type Fields = Readonly<Record<string, unknown>>;

/** One reading of the rotary embedding, all defaults explicit, in mlx-lm's keys. */
interface Rope {
  readonly theta: number;
  /** Share of a head's channels that are rotated. */
  readonly partial: number;
  /** `rope_scaling`; null: plain rotary embedding. */
  readonly scaling: Fields | null;
}

/** What a model_type's config class has besides the values that all classes share. */
export interface RopeRules {
  /** `rope_theta` where the config has none. */
  readonly theta: number;
  /** The rope of a config that has none. */
  readonly parameters: Fields;
  /** Bases have YaRN with `truncate: false`: take it with a warning. Others are refused with it. */
  readonly untruncated: true;
}

/**
 * Brings the rotary embedding into mlx-lm's spelling: `rope_theta` and `rope_scaling`, whose type
 * is `rope_type`. Reads `rope_scaling` (transformers 4) and `rope_parameters` (transformers 5),
 * with `rope_theta` and `partial_rotary_factor` beside or inside them. Source of meanings and
 * defaults: transformers' modeling_rope_utils.py. Throws UNSUPPORTED_MODEL for what mlx-lm does
 * not compute, BAD_CHECKPOINT for values that make no sense and for spellings that contradict each
 * other. `partial`: the default of `partial_rotary_factor`; null: all channels are rotated.
 */
export function foldRope(
  { config, assumed, warnings }: Folding,
  partial: number | null = null,
  rules?: RopeRules,
): void {
  if (rules !== undefined) fillRope(config, assumed, rules);
  const spellings = [objectAt(config, "rope_scaling"), flatParameters(config)];
  const [first = {}, second] = spellings.filter((fields) => fields !== undefined);
  if (!has(config, "rope_theta") && !has(first, "rope_theta")) assumed.push("rope_theta");
  const rope = read(first, config, partial);
  if (second !== undefined) {
    const other = read(second, config, partial);
    if (!isDeepStrictEqual(rope, other))
      throw contradiction(`rope_scaling means ${words(rope)}`, `rope_parameters ${words(other)}`);
  }
  if (partial !== null) {
    if (!has(config, "partial_rotary_factor") && !has(first, "partial_rotary_factor"))
      assumed.push("partial_rotary_factor");
    config.partial_rotary_factor = rope.partial;
  }
  config.rope_theta = rope.theta;
  delete config.rope_parameters;
  if (rope.scaling?.truncate === false) warnings.push(untruncated(rope, config, rules));
  if (rope.scaling !== null) config.rope_scaling = rope.scaling;
  // Readers of a config without a rope would take the default of its class.
  else if (rules !== undefined) config.rope_scaling = { rope_type: "default" };
  else if (config.rope_scaling !== null) delete config.rope_scaling;
}

function fillRope(config: Folding["config"], assumed: string[], rules: RopeRules): void {
  if (!has(config, "rope_scaling") && !has(config, "rope_parameters")) {
    config.rope_scaling = rules.parameters;
    assumed.push("rope_scaling");
  }
  const fields = asObject(config.rope_scaling ?? config.rope_parameters);
  if (has(config, "rope_theta") || (fields !== undefined && has(fields, "rope_theta"))) return;
  config.rope_theta = rules.theta;
  assumed.push("rope_theta");
}

/**
 * What mlx-lm's YarnRoPE makes of `truncate: false`: it rounds the ends of the range of channels
 * over which YaRN goes from one frequency to the other. Throws UNSUPPORTED_MODEL unless the rules
 * allow it.
 */
function untruncated({ theta, scaling }: Rope, config: ModelConfig, rules?: RopeRules): string {
  if (rules?.untruncated !== true) throw unsupported("yarn's truncate is false", "true");
  const rope = scaling as { [key in "beta_fast" | "beta_slow"]: number } & Fields;
  const positions = rope.original_max_position_embeddings as number;
  const size = headSize(config);
  const channel = (turns: number) =>
    (size * Math.log(positions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(channel(rope.beta_fast), 0);
  const high = Math.min(channel(rope.beta_slow), size - 1);
  return (
    `config.json: yarn's "truncate" is false; mlx-lm rounds the range of channels that yarn ` +
    `blends, ${low.toFixed(2)} to ${high.toFixed(2)}, to ${Math.floor(low)} to ` +
    `${Math.ceil(high)}. So in mlx-lm base and tiers give other logits than in transformers, ` +
    "the more the longer a text is"
  );
}

const words = ({ theta, partial, scaling }: Rope) =>
  `theta ${theta}${partial === 1 ? "" : ` of ${partial} of the channels`} with ${show(scaling)}`;

/**
 * `rope_parameters`. If they are nested by kind of layer, those of full attention apply to all
 * layers.
 */
function flatParameters(config: ModelConfig): Fields | undefined {
  const rope = objectAt(config, "rope_parameters");
  if (rope === undefined || !Object.values(rope).some((value) => asObject(value))) return rope;
  const kinds = Array.isArray(config.layer_types) ? config.layer_types : ["full_attention"];
  const full = asObject(rope.full_attention);
  if (full !== undefined && kinds.every((kind) => kind === "full_attention")) return full;
  throw unsupported(
    `rope_parameters differ by kind of layer (${Object.keys(rope).map(show).join(", ")})`,
    "one rotary embedding for all layers",
  );
}

function read(rope: Fields, config: ModelConfig, usual: number | null): Rope {
  const theta = agreed("rope_theta", rope, config);
  const partial = agreed("partial_rotary_factor", rope, config);
  if (usual === null && partial !== undefined && partial !== 1)
    throw unsupported(`partial_rotary_factor is ${show(partial)}`, "1");
  const type = typeOf(rope);
  const known = typeof type === "string" && Object.hasOwn(scalings, type);
  if (!known) throw unsupported(`rope type ${show(type)}`, Object.keys(scalings).join(", "));
  const scaling = scalings[type]!(rope, config);
  return {
    theta: positive({ rope_theta: theta ?? 10_000 }, "rope_theta"),
    partial: positive({ partial_rotary_factor: partial ?? usual ?? 1 }, "partial_rotary_factor"),
    scaling: scaling && { rope_type: type, ...scaling },
  };
}

/** A value that may stand beside the rope's object or inside it. Throws where the two differ. */
function agreed(key: string, rope: Fields, config: ModelConfig): unknown {
  const [inside, outside] = [rope[key] ?? undefined, config[key] ?? undefined];
  if (inside !== undefined && outside !== undefined && inside !== outside)
    throw contradiction(`${key} is ${show(outside)}`, `the rope's own ${key} is ${show(inside)}`);
  return inside ?? outside;
}

/** transformers prefers `rope_type`, mlx-lm `type`. */
function typeOf(rope: Fields): unknown {
  const [type, older] = [rope.rope_type ?? undefined, rope.type ?? undefined];
  if (type !== undefined && older !== undefined && type !== older)
    throw contradiction(`rope_type is ${show(type)}`, `type is ${show(older)} beside it`);
  return type ?? older ?? "default";
}

/** Parameters of each type, in mlx-lm's keys. */
const scalings: Readonly<Record<string, (rope: Fields, config: ModelConfig) => Fields | null>> = {
  default: () => null,
  linear: (rope) => ({ factor: positive(rope, "factor") }),
  llama3: (rope, config) => ({
    factor: positive(rope, "factor"),
    low_freq_factor: positive(rope, "low_freq_factor"),
    high_freq_factor: positive(rope, "high_freq_factor"),
    original_max_position_embeddings: original(rope, config),
  }),
  yarn: (rope, config) => {
    const truncate = rope.truncate ?? true;
    if (typeof truncate !== "boolean")
      throw unsupported(`yarn's truncate is ${show(truncate)}`, "true");
    const factor = has(rope, "factor")
      ? positive(rope, "factor")
      : integer(config, "max_position_embeddings") / original(rope, config);
    return {
      factor,
      original_max_position_embeddings: original(rope, config),
      // transformers: `rope.get("beta_fast") or 32`.
      beta_fast: positive({ beta_fast: rope.beta_fast || 32 }, "beta_fast"),
      beta_slow: positive({ beta_slow: rope.beta_slow || 1 }, "beta_slow"),
      ...amplitude(rope, factor),
      ...(truncate ? {} : { truncate }),
    };
  },
  /** Plain up to `max_position_embeddings`, stretched by NTK's rule beyond. */
  dynamic: (rope) => ({ factor: positive(rope, "factor") }),
};

/** Positions of pretraining. transformers prefers the value outside of the rope's object. */
function original(rope: Fields, config: ModelConfig): number {
  const key = "original_max_position_embeddings";
  if (has(config, key)) return integer(config, key);
  return has(rope, key) ? integer(rope, key) : integer(config, "max_position_embeddings");
}

/**
 * YaRN's factor of cosines and sines. transformers takes `attention_factor`. Without it, it takes
 * m(mscale) / m(mscale_all_dim) where both are set, else m(1); m(x) = 0.1 x ln(factor) + 1. mlx-lm
 * knows only the two mscales, with other defaults. They are set to give the same.
 */
function amplitude(rope: Fields, factor: number): Fields {
  const [over, under] = [rope.mscale || 0, rope.mscale_all_dim || 0];
  if (!has(rope, "attention_factor")) {
    if (over === 0 || under === 0) return { mscale: 1, mscale_all_dim: 0 };
    return {
      mscale: positive(rope, "mscale"),
      mscale_all_dim: positive(rope, "mscale_all_dim"),
    };
  }
  const attention = positive(rope, "attention_factor");
  if (factor <= 1 && attention !== 1)
    throw unsupported(`yarn's attention_factor is ${attention} at factor ${factor}`, "1");
  const mscale = factor <= 1 ? 1 : (attention - 1) / (0.1 * Math.log(factor));
  return { attention_factor: attention, mscale, mscale_all_dim: 0 };
}

function unsupported(what: string, known: string): OqeError {
  return new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: ${what}; mlx-lm computes this model_type with ${known} only`,
    "mlx-lm would run another model than this one, or none. Publish it once mlx-lm supports it.",
  );
}
