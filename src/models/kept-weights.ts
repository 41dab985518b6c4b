import { type Weight, weightRows } from "../kernel/matrix.ts";
import { headRole, isTiedTable, type Model, type WeightSource } from "./run.ts";

/** Bytes of unquantized tensors that stay in memory. */
const mostUnquantized = 256 << 20;

/** Weights of which some are in memory. Nobody may change the values. */
export interface KeptWeights extends WeightSource {
  /** A matrix of the first block. It stays in memory until the block asks for it. */
  ahead(role: string): Promise<Weight>;
}

/**
 * The weights of a model, with those in memory that a walk needs more than once: unquantized
 * tensors, and the head from its first read on. A tied head: from its first read as a whole on.
 */
export function keepWeights({ architecture, config, weights }: Omit<Model, "ops">): KeptWeights {
  const head = headRole(architecture, config);
  const isTied = isTiedTable({ architecture, config });
  const unquantized = new Map<string, ReturnType<WeightSource["unquantized"]>>();
  const ahead = new Map<string, Promise<Weight>>();
  let ownHead: Promise<Weight> | null = null;
  let bytes = 0;
  const readUnquantized = async (layer: number | null, role: string) => {
    const values = await weights.unquantized(layer, role);
    bytes += values?.byteLength ?? 0;
    if (bytes > mostUnquantized) unquantized.delete(`${layer} ${role}`);
    return values;
  };
  const takeAhead = (role: string) => {
    const read = ahead.get(role);
    ahead.delete(role);
    return read;
  };
  return {
    async unquantized(layer, role) {
      const key = `${layer} ${role}`;
      const values = unquantized.get(key) ?? readUnquantized(layer, role);
      unquantized.set(key, values);
      return values;
    },
    async matrix(layer, role, expert, range) {
      if (layer === 0 && range === undefined && ahead.has(role)) return takeAhead(role)!;
      const isHead = layer === null && role === head;
      // The rows of a tied head are also looked up. Until it is read as a whole, nothing is kept.
      if (!isHead || (isTied && range !== undefined && ownHead === null))
        return weights.matrix(layer, role, expert, range);
      ownHead ??= weights.matrix(null, role);
      return range === undefined ? ownHead : weightRows(await ownHead, ...range);
    },
    async ahead(role) {
      const read = ahead.get(role) ?? weights.matrix(0, role);
      ahead.set(role, read);
      return read;
    },
  };
}
