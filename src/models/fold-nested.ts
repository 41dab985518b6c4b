import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { type Folded, objectAt, place, rename } from "./fold.ts";

/** Keys of the outer config that hold for the language model too. */
const shared = ["torch_dtype", "tie_word_embeddings"];

/**
 * `Architecture.fold` of a model whose language model has a config of its own under `key`. `fold`
 * gets that one, with the dtype and the tie of the outer one where it lacks them. The rest is kept,
 * and written around the folded config again. Throws BAD_CHECKPOINT without such a config, and
 * where the two contradict each other.
 */
export function foldNested(
  fold: (config: ModelConfig) => Folded,
  key = "text_config",
): (raw: ModelConfig) => Folded {
  return (raw) => {
    const inner = objectAt(raw, key);
    if (inner === undefined) {
      throw new OqeError(
        "BAD_CHECKPOINT",
        `config.json has no "${key}", which holds the config of the language model`,
        "The config may belong to another checkpoint.",
      );
    }
    const { [key]: _, ...config } = raw;
    const text: ModelConfig = { ...inner };
    for (const one of [config, text]) rename(one, "dtype", "torch_dtype");
    for (const name of shared) place(text, name, config[name], `"${name}" outside of ${key}`);
    return { ...fold(text), wrapper: { key, config } };
  };
}
