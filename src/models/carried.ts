import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { BaseTensor } from "../coding/coding.ts";
import { OqeError } from "../ground/errors.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { PartTable } from "./part-tensors.ts";
import { asCoded, type Source, wholeTensor } from "./source.ts";
import type { Transform } from "./transforms.ts";

/** Parts of a model that a tier holds with the base's values: never run, never quantized. */
export const carriedParts = ["vision", "audio", "mtp"] as const;
export type CarriedPart = (typeof carriedParts)[number];

/** Name of a part for people. */
export const partWords: Readonly<Record<CarriedPart, string>> = {
  vision: "vision tower",
  audio: "audio tower",
  mtp: "multi-token prediction",
};

/**
 * The file of a part; null: it lies in the model's shards. mlx-lm reads `model*.safetensors` and
 * mlx-vlm the files of the index, so neither meets a file of its own that the index does not name.
 */
export const sidecars: Readonly<Record<CarriedPart, string | null>> = {
  vision: null,
  audio: null,
  mtp: "mtp.safetensors",
};

/** Which tensors of the base are a part, and how the MLX repository spells them. */
export interface Carried {
  readonly part: CarriedPart;
  /** The loader of the tiers refuses the part, so no tier holds it. */
  readonly isRefused?: true;
  /**
   * Prefixes of names: in the base, and in the MLX repository as mlx-vlm's `sanitize` gives them. A
   * base that has the second prefix already is taken to have mlx-vlm's layout too. A part with a
   * file of its own keeps the base's names: leave the second out.
   */
  readonly names: readonly (readonly [base: string, mlx?: string])[];
  /** Whether mlx-vlm's `sanitize` drops a tensor under these prefixes. Default: it drops none. */
  readonly drops?: (name: string) => boolean;
  /**
   * How the values of a tensor move, for example those of a convolution (mlx-vlm's `sanitize`);
   * null: they stay. Takes the name in the base.
   */
  readonly move?: (name: string, rank: number) => Transform | null;
  /**
   * Whether a base has mlx-vlm's layout already, where its names do not tell. Default: they do.
   */
  readonly isMoved?: (tensors: ReadonlyMap<string, BaseTensor>) => boolean;
  /** Keys of config.json: a model with this part has one, a model without it has none. */
  readonly configKeys?: readonly string[];
  /** The tensors that every such part has, with their shapes by the config. */
  readonly needs?: PartTable;
  /** Tensors that `needs` does not give are refused: no reader knows them. */
  readonly isWhole?: true;
  /**
   * Prefix of numbered layers, behind the first of the part's (`blocks.`) -> their number by
   * config.json as the file has it; null: it does not say. All have the same names.
   */
  readonly layers?: Readonly<Record<string, (config: ModelConfig) => number | null>>;
}

/** A tensor of a tier that has the base's values. */
export interface CarriedTensor {
  readonly part: CarriedPart;
  readonly name: string;
  /** As in the base; of a tensor of codes, the storage dtype. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where its values lie in the base, and how they are coded there. */
  readonly source: Source;
}

/** Tensors of a base by their use. */
export interface SplitTensors<T extends BaseTensor> {
  /** Those that the role table must name. */
  readonly own: ReadonlyMap<string, T>;
  /** Those of carried parts. */
  readonly beside: ReadonlyMap<string, T>;
}

/** The parts of `wanted` that the tiers can hold. */
export function keptParts(
  declared: readonly Carried[] = [],
  wanted: readonly CarriedPart[] = carriedParts,
): ReadonlySet<CarriedPart> {
  const refused = declared.filter(({ isRefused }) => isRefused).map(({ part }) => part);
  return new Set(wanted.filter((part) => !refused.includes(part)));
}

/** Files of their own that a base with these parts may have. */
export function sidecarsOf(
  declared: readonly Carried[] = [],
  kept: ReadonlySet<CarriedPart> = new Set(carriedParts),
): string[] {
  const files = declared.flatMap(({ part }) => (kept.has(part) ? (sidecars[part] ?? []) : []));
  return [...new Set(files)];
}

/** The declared part that a base tensor belongs to, and its prefix; null: to none. */
export function partOf(declared: readonly Carried[], name: string) {
  for (const carried of declared) {
    for (const [base, mlx] of carried.names) {
      if (name.startsWith(base))
        return { carried, prefix: base, base, mlx: mlx ?? base, isMlx: false };
      if (mlx !== undefined && name.startsWith(mlx))
        return { carried, prefix: mlx, base, mlx, isMlx: true };
    }
  }
  return null;
}

/** Separates the tensors of carried parts from the others. */
export function splitCarried<T extends BaseTensor>(
  declared: readonly Carried[],
  tensors: ReadonlyMap<string, T>,
): SplitTensors<T> {
  const [own, beside] = [new Map<string, T>(), new Map<string, T>()];
  for (const [name, tensor] of tensors)
    (partOf(declared, name) === null ? own : beside).set(name, tensor);
  return { own, beside };
}

/** The parts that some of these tensors are of. */
export function partsAmong(declared: readonly Carried[], names: Iterable<string>): CarriedPart[] {
  const found = new Set<CarriedPart>();
  for (const name of names) {
    const part = partOf(declared, name)?.carried.part;
    if (part !== undefined) found.add(part);
  }
  return carriedParts.filter((part) => found.has(part));
}

/**
 * The tensors that a tier holds of carried parts, without those that mlx-vlm drops. Codes are
 * decoded to the dtype `storage`. Throws UNSUPPORTED_MODEL for codes whose values would have to be
 * moved too.
 */
export function carryTensors(
  declared: readonly Carried[],
  beside: ReadonlyMap<string, BaseTensor>,
  storage: FloatDtype,
): CarriedTensor[] {
  const moved = new Set(declared.filter(({ isMoved }) => isMoved?.(beside)));
  return [...beside].flatMap(([name, tensor]) => {
    const found = partOf(declared, name)!;
    if (found.carried.drops?.(name)) return [];
    const isMlx = found.isMlx || moved.has(found.carried);
    const carried = carry({ ...found, isMlx }, name, tensor);
    return [carried.source.coding === null ? carried : { ...carried, dtype: storage }];
  });
}

function carry(
  { carried, prefix, mlx, isMlx }: NonNullable<ReturnType<typeof partOf>>,
  name: string,
  { dtype, shape, coding }: BaseTensor,
): CarriedTensor {
  const whole = asCoded(wholeTensor(name, shape), coding);
  const move = isMlx || shape.length < 2 ? null : carried.move?.(name, shape.length);
  if (coding !== undefined && (move || coding.isTransposed)) {
    throw new OqeError(
      "UNSUPPORTED_MODEL",
      `tensor "${coding.codes}" of the ${partWords[carried.part]} holds codes in another order ` +
        "than its values have in a tier",
      `Leave it out: set carry without ${carried.part}.`,
    );
  }
  const source = move ? move(whole, 0) : whole;
  return {
    part: carried.part,
    name: mlx + name.slice(prefix.length),
    dtype,
    shape: source.shape,
    source,
  };
}

/**
 * Throws BAD_CHECKPOINT for a carried tensor whose name in the MLX repository is that of another,
 * carried or not. `taken`: all names of the language model.
 */
export function refuseCollisions(
  carried: readonly CarriedTensor[],
  taken: ReadonlySet<string>,
): void {
  const seen = new Map<string, string>();
  for (const { name, source } of carried) {
    const other = seen.get(name) ?? (taken.has(name) ? "a tensor of the language model" : null);
    if (other !== null)
      throw new OqeError(
        "BAD_CHECKPOINT",
        `tensor "${source.tensor}" would be "${name}" in the MLX repository, and so would ${other}`,
        "The base has a tensor twice, or under a name that its config does not give.",
      );
    seen.set(name, `"${source.tensor}"`);
  }
}
