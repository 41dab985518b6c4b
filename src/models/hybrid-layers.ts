import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { integer, layerCount } from "./config-fields.ts";
import { type Folded, place } from "./fold.ts";
import type { LayerKind } from "./layer-kind.ts";

/** Every n-th layer of a hybrid has full attention, the others have a gated DeltaNet. */
const usualInterval = 4;
const [full, linear] = ["full_attention", "linear_attention"] as const;

/**
 * Folds `layer_types`, which transformers reads, and `full_attention_interval`, which mlx-lm reads.
 * Throws UNSUPPORTED_MODEL for a list that no interval gives and for sizes with which mlx-lm does
 * not generate, BAD_CHECKPOINT for one that is no list of as many kinds as there are layers.
 */
export function foldInterval({ config, assumed, warnings }: Folded): Folded {
  const count = layerCount(config, "num_hidden_layers");
  const folded = { ...config };
  const { layer_types: kinds } = config;
  const isGiven = kinds !== undefined && kinds !== null;
  if (isGiven) place(folded, "full_attention_interval", intervalOf(kinds, count), "layer_types");
  const isAssumed = (folded.full_attention_interval ?? null) === null;
  if (isAssumed) folded.full_attention_interval = usualInterval;
  const interval = integer(folded, "full_attention_interval");
  if (interval > count) throw otherKinds(`no layer of ${count} has full attention`, folded);
  refuseUngenerated(folded);
  folded.layer_types = Array.from({ length: count }, (_, i) => kindAt(i, interval));
  const more = isAssumed ? ["full_attention_interval"] : [];
  return { config: folded, assumed: [...assumed, ...more], warnings };
}

/**
 * Without a gated DeltaNet, mlx-lm asks the cache of an attention layer for the mask of a
 * recurrence, which ends with a TypeError. A convolution of one token keeps no earlier ones, and
 * mlx-lm then keeps them all. Texts pass in one piece, but no token is generated.
 */
function refuseUngenerated(config: ModelConfig): void {
  const found = ["full_attention_interval", "linear_conv_kernel_dim"].find(
    (key) => integer(config, key) === 1,
  );
  if (found === undefined) return;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: "${found}" is 1; mlx-lm's ${show(config.model_type)} cannot generate with that`,
    "mlx-lm could load the tiers, but not run them. Publish it once mlx-lm supports it.",
  );
}

const kindAt = (layer: number, interval: number) => ((layer + 1) % interval === 0 ? full : linear);

function intervalOf(kinds: unknown, count: number): number {
  if (!Array.isArray(kinds) || kinds.length !== count) {
    const length = Array.isArray(kinds) ? `a list of ${kinds.length}` : show(kinds);
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "layer_types" should be a list of ${count} kinds, ` +
        `one for each of "num_hidden_layers"; got ${length}`,
      "The config may belong to another checkpoint.",
    );
  }
  const at = (layer: number) => `"layer_types" has ${show(kinds[layer])} at layer ${layer}`;
  const unknown = kinds.findIndex((kind) => kind !== full && kind !== linear);
  if (unknown >= 0) throw otherKinds(at(unknown), {});
  const interval = kinds.indexOf(full) + 1;
  if (interval === 0) throw otherKinds(`"layer_types" has no ${full} in ${count} layers`, {});
  const wrong = kinds.findIndex((kind, i) => kind !== kindAt(i, interval));
  if (wrong < 0) return interval;
  throw otherKinds(`${at(wrong)}, and the first ${full} at layer ${interval - 1}`, {});
}

function otherKinds(what: string, { model_type: type }: ModelConfig): OqeError {
  return new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: ${what}; mlx-lm${type === undefined ? "" : `'s ${show(type)}`} computes only ` +
      `${full} at every n-th layer and ${linear} at all others`,
    "mlx-lm would run another model than this one. Check that the config is that of the model.",
  );
}

/** The kinds of the blocks of a folded config, with dense MLPs. */
export function hybridLayers(c: ModelConfig): readonly LayerKind[] {
  const interval = integer(c, "full_attention_interval");
  const count = layerCount(c, "num_hidden_layers");
  return Array.from({ length: count }, (_, i) => ({
    mixer: kindAt(i, interval) === full ? "attention" : "delta",
    mlp: "dense",
  }));
}
