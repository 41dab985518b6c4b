import type { ModelConfig } from "../checkpoint/model-config.ts";

/** A tensor that a whole carried part has. */
export interface PartTensor {
  /** Behind the prefix in the base. */
  readonly name: string;
  /** That prefix. Default: the part's first. */
  readonly under?: string;
  /** In the base's layout. null for a size that config.json does not give: it is not compared. */
  readonly shape: readonly (number | null)[];
}

/** What tells which tensors a carried part has. */
export interface PartContext {
  /** config.json as the file has it. */
  readonly file: ModelConfig;
  /** The folded config of the language model. */
  readonly folded: ModelConfig;
  /** Names of the part's tensors in the base, behind its prefix. */
  readonly names: ReadonlySet<string>;
}

/** The tensors of a whole part. Given one by one: a config may promise billions. */
export type PartTable = (context: PartContext) => Iterable<PartTensor>;

const floats = new Set(["BF16", "F16", "F32"]);

/** What a part has under a name: a tensor of values, also where the base has codes. */
interface Found {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/**
 * Compares a tensor with those of the base. Gives the shape in the base if it is another; "missing"
 * if there is none; null if all is well. Shapes of masks and counters are not compared.
 */
export function compareTensor(
  { name, shape }: PartTensor,
  found: ReadonlyMap<string, Found>,
): readonly number[] | "missing" | null {
  const own = found.get(name);
  if (own === undefined) return "missing";
  if (!floats.has(own.dtype)) return null;
  const isSame =
    own.shape.length === shape.length &&
    shape.every((size, axis) => size === null || size === own.shape[axis]);
  return isSame ? null : own.shape;
}
