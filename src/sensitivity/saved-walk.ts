import * as v from "valibot";
import { count, finite, flag, line, list, object } from "../ground/schema.ts";
import type { Matrix } from "../kernel/matrix.ts";
import { layerExperts } from "../plan/sensitivity-types.ts";
import { savedLosses } from "./loss-table.ts";

/** A probe without its hidden states. */
const savedProbe = object({ name: line, flipPower: finite });
export type SavedProbe = v.InferOutput<typeof savedProbe>;

/** What a ProbeWalk has found so far. Parts of blocks are given by their names. */
const savedProbes = object({
  probes: list(savedProbe),
  alone: list(savedProbe),
  joint: list(savedProbe),
  /** Whether further rows are run for the joint probes. */
  hasMore: flag,
  /** By module. */
  blockErrors: list(v.tuple([line, finite])),
  errors: list(object({ part: line, errors: list(finite) })),
  partErrors: list(object({ part: line, layer: count, kind: line, error: finite })),
  experts: list(layerExperts),
});
export type SavedProbes = v.InferOutput<typeof savedProbes>;

/** A SavedWalk without the hidden states. */
export const savedValues = {
  layer: count,
  values: object({ losses: savedLosses, probes: savedProbes }),
};
const values = object(savedValues);

/** The measuring walk behind a block: all that the rest of it needs. */
export interface SavedWalk extends v.InferOutput<typeof values> {
  /** Hidden states: of the rows for Hessians, of the base's probe rows, and of each probe. */
  readonly states: readonly Matrix[];
}

/** The walk that goes on: its blocks, and the tokens of its rows. */
export interface WalkShape {
  readonly layers: number;
  /** Names of the parts of all blocks. */
  readonly parts: ReadonlySet<string>;
  readonly hidden: number;
  readonly tokens: Readonly<Record<"hessians" | "probes" | "alone" | "more", number>>;
}

/** Whether a saved walk is one of these: its parts are known, and all hidden states are there. */
export function fitsWalk({ layer, values, states }: SavedWalk, walk: WalkShape): boolean {
  const { tokens, hidden, parts } = walk;
  const { probes, alone, joint, hasMore, errors, partErrors } = values.probes;
  const rows = [
    ...[tokens.hessians, tokens.probes],
    ...probes.map(() => tokens.probes),
    ...alone.map(() => tokens.alone),
    ...joint.map(() => tokens.probes + tokens.more),
    ...(hasMore ? [tokens.more] : []),
  ];
  return (
    layer < walk.layers &&
    hasMore === tokens.more > 0 &&
    states.length === rows.length &&
    states.every((x, i) => x.rows === rows[i] && x.columns === hidden) &&
    [...errors, ...partErrors].every(({ part }) => parts.has(part))
  );
}

/** Keeps a measuring walk beyond the end of the process. */
export interface WalkLog {
  /** Where an earlier run stopped; null: at the start. */
  load(): Promise<SavedWalk | null>;
  /** Called behind each block. May throw, to stop the run. */
  save(walk: SavedWalk): Promise<void>;
}
