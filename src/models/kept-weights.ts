import { type Weight, weightRows } from "../kernel/matrix.ts";
import { integer } from "./config-fields.ts";
import { headRole, isTiedTable, type Model, type WeightSource } from "./run.ts";

/** Bytes of unquantized tensors that stay in memory. */
const mostUnquantized = 256 << 20;
/** Elements of a tied head that stays in memory from its first read on, 512 MiB as BF16. */
const mostOfTable = 2 ** 28;

/**
 * Whether a tied head stays in memory from when its rows are looked up until they make the logits.
 * Otherwise it is read once for each use.
 */
export function keepsTable(shape: { readonly vocabulary: number; readonly hidden: number }) {
  return shape.vocabulary * shape.hidden <= mostOfTable;
}

/** Weights of which some are in memory. Nobody may change the values. */
export interface KeptWeights extends WeightSource {
  /** A matrix of the first block. It stays in memory until the block asks for it. */
  ahead(role: string): Promise<Weight>;
}

/**
 * The weights of a model, with those in memory that a walk needs more than once: unquantized
 * tensors, and the head from its first read on. A large tied head: from its first read as a whole
 * on.
 */
export function keepWeights({ architecture, config, weights }: Omit<Model, "ops">): KeptWeights {
  const head = headRole(architecture, config);
  const vocabulary = integer(config, "vocab_size");
  const hidden = integer(config, "hidden_size");
  const isApart = isTiedTable({ architecture, config }) && !keepsTable({ vocabulary, hidden });
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
      // The rows of a tied head are also looked up. Until it is read as a whole, a large one is not
      // kept.
      if (!isHead || (isApart && range !== undefined && ownHead === null))
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
