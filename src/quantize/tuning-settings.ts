import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import type { Width } from "../kernel/width.ts";
import type { PlannedTensor } from "../models/architecture.ts";

/**
 * The constants of the method, each measured (docs/tuning.md). They are part of the engine: other
 * values make another recipe. Benchmarks pass other values to show the effect of each.
 */
export interface TuningSettings {
  /**
   * `hessian`: GPTQ. `diagonal`, for comparison: scales weighted by the diagonal and nearest codes,
   * as imatrix methods do.
   */
  readonly curvature: "hessian" | "diagonal";
  /**
   * Which Hessian an expert is tuned with: `own`, shrunk; or, for comparison, that of its layer.
   */
  readonly experts: "own" | "pooled";
  /** Strength of shrinking an expert's input Hessian towards the pooled one. */
  readonly pooledStrength: number;
  /**
   * Strength of the diagonal in the Hessian of an expert's output projection, which has no pool.
   */
  readonly diagonalStrength: number;
  /** Weight in an expert's Hessians of tokens that the router nearly sent to it. */
  readonly nearWeight: number;
  /** Strength of the diagonal in other Hessians, if they saw few tokens. */
  readonly denseStrength: number;
  /** Tokens per column that are not few. */
  readonly denseEnough: number;
  /** Groups of the head's rows that have a Hessian each (head-tuner.ts). */
  readonly headGroups: number;
  /**
   * Share of the head in the Hessian of a tied table, 0 to 1; the rest is that of looking rows up.
   * A sensitivity replaces it by the best of the mixes that it tried.
   */
  readonly tiedMix: number;
  /** Share of an expert's tokens that are used. Below 1 only to measure how few suffice. */
  readonly expertTokens: number;
  /** Coordinate-descent sweeps after the GPTQ sweep. */
  readonly sweeps: (width: Width) => number;
  /**
   * The same for routed experts that saw few tokens: more than half of their Hessian is its target.
   * Descent would take most of the time of tuning, and part of what it gains is gained for a
   * Hessian that is not the expert's own (docs/benchmarks.md).
   */
  readonly fewTokenSweeps: (width: Width) => number;
  /** How many columns descent checks there. */
  readonly fewTokenWindow: number;
  /**
   * Whether such experts are tuned for the directions of later routers too, with repair `rounding`.
   * It takes half as long again, and keeps the free KL lower (docs/benchmarks.md).
   */
  readonly fewTokenDirections: boolean;
  /** Most rows that router gates are fitted on. Every tier is run on them. */
  readonly gateRows: number;
  /** Least tokens of these rows for each column of a gate. With fewer, no gate becomes better. */
  readonly gateTokens: number;
}

export const tuningSettings: TuningSettings = {
  curvature: "hessian",
  experts: "own",
  pooledStrength: 2,
  diagonalStrength: 2,
  nearWeight: 0.6,
  denseStrength: 1,
  denseEnough: 8,
  headGroups: 32,
  tiedMix: 0.5,
  expertTokens: 1,
  sweeps: () => 2,
  fewTokenSweeps: ({ bits }) => (bits <= 5 ? 2 : 0),
  fewTokenWindow: 512,
  fewTokenDirections: true,
  gateRows: 32,
  gateTokens: 8,
};

/** How many rows router gates `[routed, columns]` are fitted on. 0: there is too little text. */
export function gateRowsOf(
  { gateRows, gateTokens }: TuningSettings,
  { samples, length }: Pick<CalibrationIds, "samples" | "length">,
  columns: number,
): number {
  const rows = Math.min(gateRows, samples);
  return rows * length < gateTokens * columns ? 0 : rows;
}

/** How a matrix is tuned: the sweeps of descent by width, their window, and for which loss. */
export interface Treatment {
  readonly sweeps: TuningSettings["sweeps"];
  /** Default: all columns. */
  readonly window?: number;
  /** Whether errors may count more in the directions that later routers read. */
  readonly routerAware: boolean;
}

export function treatmentOf(
  settings: TuningSettings,
  { role }: PlannedTensor,
  hessian: { readonly share: number } | null,
): Treatment {
  const isFew = role.routed === true && hessian !== null && hessian.share > 0.5;
  if (!isFew) return { sweeps: settings.sweeps, routerAware: true };
  const { fewTokenSweeps, fewTokenWindow, fewTokenDirections } = settings;
  return { sweeps: fewTokenSweeps, window: fewTokenWindow, routerAware: fewTokenDirections };
}
