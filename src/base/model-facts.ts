import { elements } from "../mlx/format.ts";
import { flag, has, integer } from "../models/config-fields.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Base } from "./base.ts";

/** What the config says about the model, for the card's highlights. Counts are elements. */
export interface ModelFacts {
  readonly modelType: string;
  readonly parameters: number;
  /** Parameters that take part in one token: all but the routed experts that it does not visit. */
  readonly activeParameters: number;
  /** Blocks by kind, e.g. {mamba: 23, moe: 23, attention: 6}. Only kinds that occur. */
  readonly layers: Partial<Record<LayerKind, number>>;
  readonly experts: {
    readonly routed: number;
    readonly perToken: number;
    readonly shared: number;
  } | null;
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  /** Tokens; null where the config does not say. */
  readonly contextLength: number | null;
  readonly tiedHead: boolean;
}

/** Reads the card's highlights from the config and the shapes, so that none of them is a claim from elsewhere. */
export function describeModel(base: Base): ModelFacts {
  const { architecture, config, checkpoint, tensors, parameters } = base;
  const experts = architecture.experts(config);
  const routed = tensors.reduce(
    (sum, tensor) => sum + (tensor.role.routed === true ? elements(tensor.shape) : 0),
    0,
  );
  const visited = experts === null ? 0 : (routed * experts.perToken) / experts.routed;
  return {
    modelType: architecture.modelType,
    parameters,
    activeParameters: Math.round(parameters - routed + visited),
    layers: countLayers(architecture.layers(config)),
    experts,
    hiddenSize: integer(config, "hidden_size"),
    vocabularySize: integer(config, "vocab_size"),
    contextLength: has(checkpoint.config, "max_position_embeddings")
      ? integer(config, "max_position_embeddings")
      : null,
    tiedHead: flag(config, "tie_word_embeddings", false),
  };
}

function countLayers(kinds: readonly LayerKind[]): Partial<Record<LayerKind, number>> {
  const counts: Partial<Record<LayerKind, number>> = {};
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
