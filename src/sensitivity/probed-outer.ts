import type { Model } from "../models/run.ts";
import type { ReadProbed } from "./measure-matrix.ts";

/** A matrix outside the blocks (embeddings or head) at the probe's width. */
export interface ProbedTensor {
  /** Name of its probe. */
  readonly name: string;
  readonly role: string;
  readonly read: ReadProbed;
}

/** The model with a matrix outside the blocks at the probe's width. */
export function replaceOuter(model: Model, tensor: ProbedTensor | null): Model {
  if (tensor === null) return model;
  const { weights } = model;
  const matrix: typeof weights.matrix = (layer, role, expert, range) =>
    layer === null && role === tensor.role
      ? tensor.read(range)
      : weights.matrix(layer, role, expert, range);
  return { ...model, weights: { ...weights, matrix } };
}
