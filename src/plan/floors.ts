import { isDeepStrictEqual } from "node:util";
import { OqeError } from "../ground/errors.ts";
import { type PlannedTensor, parts } from "../models/architecture.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Floors, TierPlan } from "./plan-types.ts";
import { measuredBits } from "./sensitivity-types.ts";

/** The parts of a model, and the first Mamba block: its error reaches every router. */
const names = [...parts, "first-mamba"] as const;
export type FloorName = (typeof names)[number];

/**
 * The floors that the series promises. Routers need none, because no policy quantizes them. The
 * measured costs decide all else. Floors for embeddings and head would cost KL and promise nothing
 * (docs/benchmarks.md#floors).
 */
export const defaultFloors = "attention=6,first-mamba=8";

/** Parses `attention=6,head=8`, or `none`. Throws BAD_INPUT. */
export function parseFloors(text: string): Floors {
  if (text.trim().toLowerCase() === "none") return {};
  const floors: Record<string, (typeof measuredBits)[number]> = {};
  for (const part of text.split(/[\s,]+/).filter((word) => word !== "")) {
    const [name = "", value] = part.toLowerCase().split(/=(.*)/s);
    const bits = measuredBits.find((width) => String(width) === value);
    const known = names.find((one) => one === name);
    if (known === undefined || bits === undefined || Object.hasOwn(floors, name)) {
      const fault =
        known === undefined
          ? `does not name one of ${names.join(", ")}`
          : `does not give one of ${measuredBits.join(", ")} bits`;
      const isSecond = known !== undefined && Object.hasOwn(floors, name);
      throw new OqeError(
        "BAD_INPUT",
        `floors: "${part}" ${isSecond ? "gives a second floor" : fault}`,
        `Write them as in the default, ${defaultFloors}. Or write none.`,
      );
    }
    floors[known] = bits;
  }
  return floors;
}

export function formatFloors(floors: Floors): string {
  return (
    Object.entries(floors)
      .map(([name, bits]) => `${name}=${bits}`)
      .join(",") || "none"
  );
}

/** A floor is costly above this share of the predicted KL. Plan and card then name the share. */
const costly = 0.1;

/** The costly floors of a plan, with their share of the predicted KL. */
export function costlyFloors({ floorCosts }: Pick<TierPlan, "floorCosts">): [string, number][] {
  return Object.entries(floorCosts ?? {}).filter(([, share]) => share > costly);
}

/** Whether the floors are the default ones, in any order. */
export function areDefault(floors: Floors): boolean {
  return isDeepStrictEqual(floors, parseFloors(defaultFloors));
}

/** The names of the floors that apply to a tensor. `firstMamba`: layer of the first Mamba block. */
function floorsOf(floors: Floors, { role, layer }: PlannedTensor, firstMamba: number): string[] {
  return Object.keys(floors).filter((name) =>
    name === "first-mamba" ? layer === firstMamba : role.part === name,
  );
}

/** Minimum bits of every tensor, and the floors that apply to at least one tensor. */
export function applyFloors(
  floors: Floors,
  tensors: readonly PlannedTensor[],
  layers: readonly LayerKind[],
) {
  const firstMamba = layers.findIndex(({ mixer }) => mixer === "mamba");
  const concerned = tensors.map((tensor) => floorsOf(floors, tensor, firstMamba));
  const used = new Set(concerned.flat());
  return {
    least: concerned.map((names) => Math.max(0, ...names.map((name) => floors[name]!))),
    floors: Object.fromEntries(Object.entries(floors).filter(([name]) => used.has(name))),
  };
}
