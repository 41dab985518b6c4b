import { elements } from "../mlx/format.ts";
import { flag, has, integer } from "../models/config-fields.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Base } from "./base.ts";

/** Blocks of one kind. */
export interface LayerCount extends LayerKind {
  readonly count: number;
}

/** Facts about the model for the card. Counts are elements. */
export interface ModelFacts {
  readonly modelType: string;
  readonly parameters: number;
  /** Parameters that one token uses: all but the routed experts that it is not sent to. */
  readonly activeParameters: number;
  /** How many blocks are of each kind, kinds in order of their first block. */
  readonly layers: readonly LayerCount[];
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

/** Takes the facts from the config and the shapes alone. */
export function describeModel({ architecture, config, tensors, parameters }: Base): ModelFacts {
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
    contextLength: has(config, "max_position_embeddings")
      ? integer(config, "max_position_embeddings")
      : null,
    tiedHead: flag(config, "tie_word_embeddings", false),
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
