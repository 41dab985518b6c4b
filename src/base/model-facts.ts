import * as v from "valibot";
import { count, flag, line, list, object, oneOf } from "../ground/schema.ts";
import { elements } from "../mlx/format.ts";
import { flag as flagOf, has, integer } from "../models/config-fields.ts";
import { type LayerKind, mixers, mlps } from "../models/layer-kind.ts";
import type { Base } from "./base.ts";
import { cacheOf, cacheSchema } from "./cache-facts.ts";

/** Blocks of one kind. Null: the blocks lack that part. */
const layerCount = object({
  mixer: v.nullable(oneOf(mixers)),
  mlp: v.nullable(oneOf(mlps)),
  count,
});
export type LayerCount = v.InferOutput<typeof layerCount>;

/** Facts about the model for the card. Counts are elements. */
export const modelFactsSchema = object({
  modelType: line,
  parameters: count,
  /**
   * Parameters that one token uses: all but the routed experts that it does not visit, and but the
   * other rows of a table that is only looked up.
   */
  activeParameters: count,
  /** How many blocks are of each kind, kinds in order of their first block. */
  layers: list(layerCount),
  experts: v.nullable(object({ routed: count, perToken: count, shared: count })),
  hiddenSize: count,
  vocabularySize: count,
  /** Tokens; null where the config does not say. */
  contextLength: v.nullable(count),
  tiedHead: flag,
  /** Bytes of a base's tensors as published, where its weights are codes. */
  publishedBytes: v.optional(count),
  /** null: not known. */
  cache: v.optional(v.nullable(cacheSchema), null),
});
export type ModelFacts = v.InferOutput<typeof modelFactsSchema>;

/** Takes the facts from the config and the shapes alone. */
export function describeModel(base: Base): ModelFacts {
  const { architecture, config, checkpoint, tensors, parameters } = base;
  const experts = architecture.experts(config);
  const routed = tensors.reduce(
    (sum, tensor) => sum + (tensor.role.part === "experts" ? elements(tensor.shape) : 0),
    0,
  );
  const visited = experts === null ? 0 : (routed * experts.perToken) / experts.routed;
  const tiedHead = flagOf(config, "tie_word_embeddings");
  const table = tensors.find(({ role }) => role.kind === "embeddings")!;
  const lookedUp = tiedHead ? 0 : elements(table.shape) - table.shape.at(-1)!;
  return {
    modelType: architecture.modelType,
    parameters,
    activeParameters: Math.round(parameters - routed + visited - lookedUp),
    layers: countLayers(architecture.layers(config)),
    experts,
    hiddenSize: integer(config, "hidden_size"),
    vocabularySize: integer(config, "vocab_size"),
    contextLength: has(checkpoint.config, "max_position_embeddings")
      ? integer(config, "max_position_embeddings")
      : null,
    tiedHead,
    ...(base.coded && { publishedBytes: base.coded.publishedBytes }),
    cache: cacheOf(base),
  };
}

/** The kinds that occur, each with its number of blocks. */
export function countLayers(kinds: readonly LayerKind[]): readonly LayerCount[] {
  const counts = new Map<string, LayerCount>();
  for (const { mixer, mlp } of kinds) {
    const count = (counts.get(`${mixer} ${mlp}`)?.count ?? 0) + 1;
    counts.set(`${mixer} ${mlp}`, { mixer, mlp, count });
  }
  return [...counts.values()];
}
