import type { Width } from "../kernel/width.ts";

/**
 * The numbers of the method, each measured (docs/tuning.md). Part of the engine: another value is
 * another recipe. The benchmark passes others to show what each is worth.
 */
export interface TuningSettings {
  /**
   * `hessian`: GPTQ. `diagonal`: scales weighted by the diagonal, nearest codes, as imatrix methods
   * do; for comparison.
   */
  readonly curvature: "hessian" | "diagonal";
  /** Whose Hessian an expert is tuned with: its own one shrunk, or its layer's; for comparison. */
  readonly experts: "own" | "pooled";
  /** Strength of the pooled Hessian in that of an expert's input projection. */
  readonly pooledStrength: number;
  /**
   * Strength of the diagonal in the Hessian of an expert's output projection, whose input basis no
   * other expert shares.
   */
  readonly diagonalStrength: number;
  /** What a token that nearly came counts in the Hessian of an expert's output projection. */
  readonly nearWeight: number;
  /** The same for an expert that is critical to a domain: more mass to be tuned on. */
  readonly criticalNearWeight: number;
  /**
   * Strength of the diagonal in other Hessians that were seen by fewer than `denseEnough` tokens
   * per column.
   */
  readonly denseStrength: number;
  readonly denseEnough: number;
  /**
   * Groups of the head's rows that have a Hessian each (head-tuner.ts); 1: all share that of all
   * text.
   */
  readonly headGroups: number;
  /** Share of an expert's tokens that are looked at; below 1 only to see how few suffice. */
  readonly expertTokens: number;
  /** Coordinate-descent sweeps after the GPTQ sweep. */
  readonly sweeps: (width: Width) => number;
  /** Times as many for an expert that is critical to a domain. */
  readonly criticalSweeps: number;
}

export const tuningSettings: TuningSettings = {
  curvature: "hessian",
  experts: "own",
  pooledStrength: 2,
  diagonalStrength: 2,
  nearWeight: 0.25,
  criticalNearWeight: 1,
  denseStrength: 1,
  denseEnough: 8,
  headGroups: 32,
  expertTokens: 1,
  sweeps: () => 2,
  criticalSweeps: 2,
};
