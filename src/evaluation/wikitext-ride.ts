import type { CalibrationRecord } from "../calibration/calibration-record.ts";
import type { Rows } from "../calibration/rows.ts";
import type { KeepStates, Rider } from "../models/rider.ts";
import type { Model } from "../models/run.ts";
import { BaseRun, ComparedRun, type Divergence, divergences } from "./divergence.ts";
import type { Evaluation } from "./evaluation-types.ts";
import { figuresOf, shorten } from "./figures.ts";
import { quantile } from "./statistics.ts";

/** Chunks of WikiText-2, and their description for the receipt. */
export interface WikitextRows {
  readonly rows: Rows;
  readonly record: CalibrationRecord;
}

export type WikitextFigures = NonNullable<Evaluation["wikitext"]>;

/** The riders that compare tiers with their base on WikiText-2, with free routes. */
export class WikitextRide {
  readonly base: Rider;
  readonly tiers: readonly Rider[];
  readonly #base: BaseRun;
  readonly #runs: readonly ComparedRun[];
  readonly #rows: WikitextRows;

  constructor(rows: WikitextRows, tiers: number, keep?: KeepStates) {
    const base = new BaseRun(rows.rows, keep);
    this.#rows = rows;
    this.#base = base;
    this.#runs = Array.from(
      { length: tiers },
      () => new ComparedRun(base, { forced: false, keep }),
    );
    this.base = base;
    this.tiers = this.#runs.map(({ rider }) => rider);
  }

  /** The divergence of every tier, when all have passed the last block. */
  finish(base: Model, tiers: readonly Model[]): Promise<readonly Divergence[]> {
    const runs = this.#runs.map((run, i) => ({ run, model: tiers[i]! }));
    return divergences({ model: base, run: this.#base }, runs);
  }

  /**
   * Figures of one tier. The last position of a chunk is left out of all of them, as in
   * mlx-quant-fidelity: it has no next token.
   */
  figures(found: Divergence): WikitextFigures {
    const { rows, record } = this.#rows;
    const { samples, length, sha256 } = rows;
    const inner = <T extends Float64Array | Uint8Array>(values: T) =>
      values.filter((_, t) => (t + 1) % length !== 0) as T;
    const scored = {
      ...found,
      divergence: inner(found.divergence),
      base: inner(found.base),
      model: inner(found.model),
      sameTop: inner(found.sameTop),
    };
    const at = (share: number) => shorten(quantile(scored.divergence, share));
    return {
      rows: { source: record.source, sha256, samples, length },
      ...figuresOf(scored, [...Array(samples).keys()], length - 1),
      ...{ medianKl: at(0.5), p99Kl: at(0.99), maxKl: at(1) },
    };
  }
}
