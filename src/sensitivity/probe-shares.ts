import { total } from "../ground/sum.ts";
import { modulePath } from "../mlx/format.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { BlockPart } from "./block-parts.ts";
import type { ProbeResult } from "./probes.ts";

/** Error power in the hidden states after the block, of each tensor of a part alone. */
export interface PartErrors {
  readonly part: BlockPart;
  readonly errors: readonly number[];
}

/** A tensor's probe, and the shares of its KL and flip power that are the tensor's. */
export interface ProbeShare {
  readonly probe: string;
  readonly kl: number;
  readonly flips: number;
}

/**
 * The layers whose tensors are probed one by one: of every kind of block the first and the middle
 * one. An error of a down projection does less per unit of its power than one of an up projection.
 * These ratios are nearly the same at all depths but the first (docs/sensitivity.md).
 */
export function sampledLayers(kinds: readonly LayerKind[]): ReadonlySet<number> {
  return new Set(
    layersByKind(kinds).flatMap((layers) => [layers[0]!, layers[Math.floor(layers.length / 2)]!]),
  );
}

/** The layers of every kind of block, ascending. */
function layersByKind(kinds: readonly LayerKind[]): readonly (readonly number[])[] {
  const byKind = new Map<string, number[]>();
  for (const [layer, { mixer, mlp }] of kinds.entries()) {
    const key = `${mixer} ${mlp}`;
    byKind.set(key, [...(byKind.get(key) ?? []), layer]);
  }
  return [...byKind.values()];
}

/**
 * The layers whose parts have a probe that runs to the end. They are at most `most` of every kind
 * of block, evenly spaced, with the first and the last one, and the middle one because `most` is
 * odd. The others lie between two of them (probe-gains.ts).
 */
export function probedLayers(kinds: readonly LayerKind[], most: number): ReadonlySet<number> {
  return new Set(
    layersByKind(kinds).flatMap((layers) => {
      if (layers.length <= most) return layers;
      const step = (layers.length - 1) / (most - 1);
      return Array.from({ length: most }, (_, i) => layers[Math.round(i * step)]!);
    }),
  );
}

/**
 * Divides a part's KL and flip power among its tensors. A tensor's own probe gives its share if
 * there is one. Otherwise the share is its error in the block times the factor of its role, from
 * the last sampled block.
 */
export function sharesOf(
  all: readonly PartErrors[],
  probes: ReadonlyMap<string, ProbeResult>,
): ReadonlyMap<string, ProbeShare> {
  const kl = divide(all, (name) =>
    probes.get(name)?.divergence.reduce((sum, value) => sum + value, 0),
  );
  const flips = divide(all, (name) => probes.get(name)?.flipPower);
  return new Map(
    all.flatMap(({ part }) =>
      part.tensors.map((tensor) => {
        const module = modulePath(tensor);
        return [
          module,
          { probe: part.name, kl: kl.get(module)!, flips: flips.get(module)! },
        ] as const;
      }),
    ),
  );
}

/** `effect`: of a tensor's own probe; undefined if it has none. Gives each module's share. */
function divide(
  all: readonly PartErrors[],
  effect: (module: string) => number | undefined,
): ReadonlyMap<string, number> {
  const gains = new Map<string, number>();
  const shares = new Map<string, number>();
  // The parts of sampled blocks come first, ascending: the later one serves all other blocks.
  for (const isSampled of [true, false]) {
    for (const { part, errors } of all) {
      const effects = part.tensors.map((tensor) => effect(modulePath(tensor)));
      const known = effects.filter((value) => value !== undefined && value > 0) as number[];
      const isKnown = known.length === errors.length && errors.every((error) => error > 0);
      if (isKnown !== isSampled) continue;
      const mean = total(known) / total(errors);
      const weights = errors.map((error, i) => {
        const { role } = part.tensors[i]!.role;
        if (isKnown) gains.set(role, known[i]! / error / mean);
        return error * (gains.get(role) ?? 1);
      });
      for (const [i, share] of normalized(weights).entries())
        shares.set(modulePath(part.tensors[i]!), share);
    }
  }
  return shares;
}

/** The values as shares of their sum. If that is 0, all are 0. */
function normalized(values: readonly number[]): number[] {
  const all = total(values);
  return values.map((value) => (all > 0 ? value / all : 0));
}
