import type { InferOutput } from "valibot";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { count, object } from "../ground/schema.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { integer, keySize } from "../models/config-fields.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Base } from "./base.ts";

/** Bytes of a sequence beside the weights: for each of its tokens, and for itself. */
export const cacheSchema = object({ perToken: count, fixed: count });
export type CacheFacts = InferOutput<typeof cacheSchema>;

/** MLX keeps the state of a recurrence in float32. */
const stateBytes = 4;

/**
 * The cache in the storage dtype: keys and values of every attention layer, of its window where
 * mlx-lm applies one (as if texts were longer); convolution and recurrence of every Mamba-2 and
 * DeltaNet layer. null: a layer has a mixer whose state is not known here.
 */
export function cacheOf({
  architecture,
  config,
  storage,
}: Pick<Base, "architecture" | "config" | "storage">): CacheFacts | null {
  const width = bytesPerElement[storage]!;
  let [perToken, fixed] = [0, 0];
  const kinds = architecture.layers(config) as readonly { mixer: string | null }[];
  for (const [layer, { mixer }] of kinds.entries()) {
    if (mixer === null) continue;
    if (!Object.hasOwn(mixers, mixer)) return null;
    const own = mixers[mixer as NonNullable<LayerKind["mixer"]>](config, width);
    const window = architecture.cachedTokens?.(config, layer) ?? null;
    perToken += window === null ? own.perToken : 0;
    fixed += own.fixed + (window ?? 0) * own.perToken;
  }
  return { perToken, fixed };
}

const mixers = {
  attention: (c: ModelConfig, width: number) => ({ perToken: 2 * keySize(c) * width, fixed: 0 }),
  mamba: (c: ModelConfig, width: number) => {
    const inner = integer(c, "mamba_num_heads") * integer(c, "mamba_head_dim");
    const state = integer(c, "ssm_state_size");
    const convolved = inner + 2 * integer(c, "n_groups") * state;
    const taps = integer(c, "conv_kernel") - 1;
    return { perToken: 0, fixed: width * convolved * taps + stateBytes * inner * state };
  },
  delta: (c: ModelConfig, width: number) => {
    const key = integer(c, "linear_key_head_dim");
    const inner = integer(c, "linear_num_value_heads") * integer(c, "linear_value_head_dim");
    const convolved = 2 * integer(c, "linear_num_key_heads") * key + inner;
    const taps = integer(c, "linear_conv_kernel_dim") - 1;
    return { perToken: 0, fixed: width * convolved * taps + stateBytes * inner * key };
  },
};
