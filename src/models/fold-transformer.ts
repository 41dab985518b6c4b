import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { integer, layerCount } from "./config-fields.ts";
import {
  beginFolding,
  type Defaults,
  type Folded,
  type Folding,
  fillDefaults,
  rename,
  requireOneOf,
} from "./fold.ts";
import { foldRope, type RopeRules } from "./fold-rope.ts";
import type { WindowRule } from "./sliding-window.ts";

const heads = (c: ModelConfig) => integer(c, "num_attention_heads");
/** The number of query heads if the config says null; `absent` if it lacks the key. */
export const keyHeads = (absent: number) => (c: ModelConfig) =>
  c.num_key_value_heads === null ? heads(c) : absent;
/** hidden_size / num_attention_heads: `head_dim` where the config does not say it. */
export const evenHeadSize = (c: ModelConfig) => integer(c, "hidden_size") / heads(c);

/** Defaults that transformers' config classes of all these transformers share. */
const shared: Defaults = {
  num_attention_heads: 32,
  hidden_act: "silu",
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
};

/** Defaults of the sliding windows of the Qwen models. */
export const windowDefaults: Defaults = {
  use_sliding_window: false,
  sliding_window: (c: ModelConfig) =>
    c.sliding_window === undefined && c.use_sliding_window === true ? 4096 : null,
};

/** Differences between the configs of pre-norm transformers. */
export interface ConfigRules {
  /** Values of absent keys by transformers' config class, besides those that all classes share. */
  readonly defaults: Defaults;
  /** Old spelling of a key -> the key that mlx-lm reads. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** Keys that only one of transformers and mlx-lm reads, with the value that the other assumes. */
  readonly fixed?: Readonly<Record<string, unknown | ((config: ModelConfig) => unknown)>>;
  /** Default of `partial_rotary_factor`, where models of this type rotate a part of a head. */
  readonly partialRotary?: number;
  /** Whether mlx-lm obeys `layer_types` and transformers does not. */
  readonly refusesLayerTypes?: true;
  /** Default: a plain rope of theta 10,000 where the config has none. */
  readonly rope?: RopeRules;
  /** A window that mlx-lm does not apply. */
  readonly window?: WindowRule;
}

/** `Architecture.fold` of a pre-norm transformer. */
export function foldTransformer(rules: ConfigRules): (raw: ModelConfig) => Folded {
  return (raw) => {
    const folding = beginFolding(raw);
    const { config } = folding;
    for (const [from, to] of Object.entries(rules.renamed ?? {})) rename(config, from, to);
    fillDefaults(folding, { ...shared, ...rules.defaults });
    requireOneOf(config, "hidden_act", ["silu", "swish"]);
    foldRope(folding, rules.partialRotary ?? null, rules.rope);
    for (const [key, value] of Object.entries(rules.fixed ?? {}))
      requireOneOf(config, key, [typeof value === "function" ? value(config) : value]);
    if (rules.refusesLayerTypes) refuseLayerTypes(config);
    if (rules.window !== undefined) warnOfWindow(folding, rules.window);
    return folding;
  };
}

/** Warns that mlx-lm attends to all positions where transformers attends to a window. */
function warnOfWindow({ config, warnings }: Folding, window: WindowRule): void {
  const layers = Array.from({ length: layerCount(config, "num_hidden_layers") }, (_, i) => i);
  const size = layers.map((layer) => window(config, layer)).find((found) => found !== null);
  if (size === undefined) return;
  warnings.push(
    `config.json: "sliding_window" is ${size}; mlx-lm's ${show(config.model_type)} attends to ` +
      "all positions, so texts longer than that give other logits",
  );
}

/** transformers' llama ignores `layer_types` and attends to all positions; mlx-lm's obeys it. */
function refuseLayerTypes({ layer_types: kinds, model_type: type }: ModelConfig): void {
  if (!Array.isArray(kinds) || kinds.every((kind) => kind === "full_attention")) return;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: "layer_types" names a sliding window or other kinds of attention; ` +
      `transformers' ${show(type)} ignores it, mlx-lm's does not`,
    "Remove layer_types from the base's config.json where all layers attend to all positions.",
  );
}
