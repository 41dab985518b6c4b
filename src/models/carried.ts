import { asObject } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { BaseTensor } from "../coding/coding.ts";
import { OqeError } from "../ground/errors.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import { compareTensor, type PartTable } from "./part-tensors.ts";
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
  /**
   * Prefixes of names: in the base, and in the MLX repository as mlx-vlm's `sanitize` gives them. A
   * base that has the second prefix already is taken to have mlx-vlm's layout too. A part with a
   * file of its own keeps the base's names: leave the second out.
   */
  readonly names: readonly (readonly [base: string, mlx?: string])[];
  /** Moves of values by the end of a name, for example of a convolution (mlx-vlm's `sanitize`). */
  readonly moves?: Readonly<Record<string, Transform>>;
  /** Key of config.json that a model with this part has, and one without it lacks. */
  readonly configKey?: string;
  /** The tensors that every such part has, with their shapes by the config. */
  readonly needs?: PartTable;
  /**
   * Prefix of numbered layers, behind that of the part (`blocks.`) -> their number by config.json
   * as the file has it; null: it does not say. All have the same names.
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

/** config.json as the file has it, and as the architecture folds it. */
interface Configs {
  readonly config: ModelConfig;
  readonly folded: ModelConfig;
}

/** Tensors of a base by their use. */
export interface SplitTensors<T extends BaseTensor> {
  /** Those that the role table must name. */
  readonly own: ReadonlyMap<string, T>;
  /** Those of carried parts. */
  readonly beside: ReadonlyMap<string, T>;
}

/** Files of their own that a base with these parts may have. */
export function sidecarsOf(
  declared: readonly Carried[] = [],
  kept: ReadonlySet<CarriedPart> = new Set(carriedParts),
): string[] {
  return declared.flatMap(({ part }) => (kept.has(part) ? (sidecars[part] ?? []) : []));
}

/** The declared part that a base tensor belongs to, and its prefix; null: to none. */
export function partOf(declared: readonly Carried[], name: string) {
  for (const carried of declared) {
    for (const [base, mlx] of carried.names) {
      if (name.startsWith(base)) return { carried, prefix: base, mlx: mlx ?? base, isMlx: false };
      if (mlx !== undefined && name.startsWith(mlx))
        return { carried, prefix: mlx, mlx, isMlx: true };
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
 * The tensors that a tier holds of carried parts. Codes are decoded to the dtype `storage`.
 * Throws UNSUPPORTED_MODEL for codes whose values would have to be moved too.
 */
export function carryTensors(
  declared: readonly Carried[],
  beside: ReadonlyMap<string, BaseTensor>,
  storage: FloatDtype,
): CarriedTensor[] {
  return [...beside].map(([name, tensor]) => {
    const carried = carry(partOf(declared, name)!, name, tensor);
    return carried.source.coding === null ? carried : { ...carried, dtype: storage };
  });
}

/**
 * Throws BAD_CHECKPOINT for a part that is not whole or has another shape than the config gives,
 * or that config.json promises in vain or does not know.
 */
export function checkCarried(
  declared: readonly Carried[],
  configs: Configs,
  carried: readonly CarriedTensor[],
): void {
  for (const one of declared) checkPart(one, configs, carried);
}

function carry(
  { carried, prefix, mlx, isMlx }: NonNullable<ReturnType<typeof partOf>>,
  name: string,
  { dtype, shape, coding }: BaseTensor,
): CarriedTensor {
  const whole = asCoded(wholeTensor(name, shape), coding);
  const move = Object.entries(carried.moves ?? {}).find(([end]) => name.endsWith(end))?.[1];
  const isMoved = move !== undefined && !isMlx && shape.length > 1;
  if (coding !== undefined && (isMoved || coding.isTransposed)) {
    throw new OqeError(
      "UNSUPPORTED_MODEL",
      `tensor "${coding.codes}" of the ${partWords[carried.part]} holds codes in another order ` +
        "than its values have in a tier",
      `Leave it out: set carry without ${carried.part}.`,
    );
  }
  const source = isMoved ? move(whole, 0) : whole;
  return {
    part: carried.part,
    name: mlx + name.slice(prefix.length),
    dtype,
    shape: source.shape,
    source,
  };
}

function checkPart(
  declared: Carried,
  { config, folded }: Configs,
  all: readonly CarriedTensor[],
): void {
  const { part, configKey, names, layers = {} } = declared;
  const own = all.filter((tensor) => tensor.part === part);
  const what = partWords[part];
  const leave = `Or leave it out: set carry without ${part}.`;
  const prefixes = names.map(([base]) => `"${base}"`).join(", ");
  if (configKey !== undefined && isSet(config, configKey) !== own.length > 0) {
    const problem = isSet(config, configKey)
      ? `config.json has "${configKey}", but no tensor begins with ${prefixes}`
      : `tensor "${own[0]!.source.tensor}" is of a ${what}, but config.json has no "${configKey}"`;
    throw bad(problem, `The upload may be incomplete. ${leave}`);
  }
  if (own.length === 0) return;
  const byName = behindPrefix(declared, own);
  // As the base spells it: it may have mlx-vlm's names.
  const { prefix: front } = partOf([declared], own[0]!.source.tensor)!;
  const missing = (name: string) =>
    bad(
      `the ${what} is incomplete: tensor "${front}${name}" is missing`,
      `Download the whole model again. ${leave}`,
    );
  for (const [prefix, countOf] of Object.entries(layers)) {
    const number = countOf(config);
    const byLayer = gatherLayers(prefix, byName.keys());
    const count = number ?? byLayer.size;
    if (byLayer.size > count)
      throw bad(
        `the ${what} has ${byLayer.size} layers "${front}${prefix}N", config.json says ${count}`,
        "The config may belong to another checkpoint.",
      );
    const leaves = new Set([...byLayer.values()].flatMap((one) => [...one]));
    for (let layer = 0; layer < count; layer++) {
      const found = byLayer.get(String(layer));
      for (const leaf of leaves.size === 0 ? ["…"] : leaves)
        if (!found?.has(leaf)) throw missing(`${prefix}${layer}.${leaf}`);
    }
  }
  const wanted = declared.needs?.({ file: config, folded, names: new Set(byName.keys()) }) ?? [];
  for (const tensor of wanted) {
    const shape = compareTensor(tensor, byName);
    if (shape === "missing") throw missing(tensor.name);
    if (shape !== null)
      throw bad(
        `the ${what} has tensor "${front}${tensor.name}" of shape [${shape.join(", ")}], but config.json gives ` +
          `[${tensor.shape.map((size) => size ?? "any").join(", ")}]`,
        `The config may belong to another checkpoint. ${leave}`,
      );
  }
}

/** Tensors of a part in the base's layout, by their names behind its prefix. */
function behindPrefix(declared: Carried, own: readonly CarriedTensor[]) {
  return new Map(
    own.map(({ dtype, source: { tensor, base } }) => {
      const { prefix, isMlx } = partOf([declared], tensor)!;
      const name = tensor.slice(prefix.length);
      const isMoved = isMlx && Object.keys(declared.moves ?? {}).some((end) => name.endsWith(end));
      // mlx-vlm's layout has the second axis last.
      const shape = isMoved ? [base[0]!, ...base.slice(-1), ...base.slice(1, -1)] : base;
      return [name, { dtype, shape }] as const;
    }),
  );
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
      throw bad(
        `tensor "${source.tensor}" would be "${name}" in the MLX repository, and so would ${other}`,
        "The base has a tensor twice, or under a name that its config does not give.",
      );
    seen.set(name, `"${source.tensor}"`);
  }
}

/** Layers by number -> the names behind it. */
function gatherLayers(prefix: string, names: Iterable<string>): Map<string, Set<string>> {
  const layers = new Map<string, Set<string>>();
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const [layer, ...rest] = name.slice(prefix.length).split(".") as [string, ...string[]];
    layers.set(layer, (layers.get(layer) ?? new Set()).add(rest.join(".")));
  }
  return layers;
}

/** Whether config.json has an object under the key that says something. */
function isSet(config: ModelConfig, key: string): boolean {
  return Object.keys(asObject(config[key]) ?? {}).length > 0;
}

function bad(problem: string, hint: string): OqeError {
  return new OqeError("BAD_CHECKPOINT", problem, hint);
}
