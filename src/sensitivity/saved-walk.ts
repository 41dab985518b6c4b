import type { Matrix } from "../kernel/matrix.ts";
import type { LayerExperts } from "../plan/sensitivity-types.ts";
import type { SavedLosses } from "./loss-table.ts";

/** A probe without its hidden states. */
export interface SavedProbe {
  readonly name: string;
  readonly flipPower: number;
}

/** What a ProbeWalk has found so far. Parts of blocks are given by their names. */
export interface SavedProbes {
  readonly probes: readonly SavedProbe[];
  readonly alone: readonly SavedProbe[];
  readonly joint: readonly SavedProbe[];
  /** Whether further rows are run for the joint probes. */
  readonly hasMore: boolean;
  readonly blockErrors: readonly (readonly [module: string, error: number])[];
  readonly errors: readonly { readonly part: string; readonly errors: readonly number[] }[];
  readonly partErrors: readonly {
    readonly part: string;
    readonly layer: number;
    readonly kind: string;
    readonly error: number;
  }[];
  readonly experts: readonly LayerExperts[];
}

/** The measuring walk behind a block: all that the rest of it needs. */
export interface SavedWalk {
  readonly layer: number;
  readonly values: { readonly losses: SavedLosses; readonly probes: SavedProbes };
  /** Hidden states: of the rows for Hessians, of the base's probe rows, and of each probe. */
  readonly states: readonly Matrix[];
}

/** Keeps a measuring walk beyond the end of the process. */
export interface WalkLog {
  /** Where an earlier run stopped; null: at the start. */
  load(): Promise<SavedWalk | null>;
  /** Called behind each block. May throw, to stop the run. */
  save(walk: SavedWalk): Promise<void>;
}
