import { StagedMeasurement, type StagedMeasurementRequest } from "./staged-measurement.ts";
import type { StagingPlace } from "./staging-claim.ts";

/**
 * A measurement on the staging branches of the tiers that follow from it. The walk lies on the
 * first of them. The result lies on all: each goes away when its tier is published.
 */
export class MeasurementBranches {
  readonly #all: readonly StagedMeasurement[];

  private constructor(all: readonly StagedMeasurement[]) {
    this.#all = all;
  }

  /** Throws CONFLICT if a run with other inputs works on one of the branches. */
  static async open(
    places: readonly StagingPlace[],
    more: Pick<StagedMeasurementRequest, "recipe" | "report">,
  ): Promise<MeasurementBranches> {
    const all: StagedMeasurement[] = [];
    for (const place of places) all.push(await StagedMeasurement.open({ ...place, ...more }));
    return new MeasurementBranches(all);
  }

  /** The branch of the walk; null: nothing is staged. */
  get walk(): StagedMeasurement | null {
    return this.#all[0] ?? null;
  }

  /** The result, and the repository on whose branch it lies; null: there is none. */
  async find(): Promise<{ readonly text: string; readonly repository: string } | null> {
    for (const one of this.#all) {
      const text = await one.sensitivity();
      if (text !== null) return { text, repository: one.repository };
    }
    return null;
  }

  /** Puts the result on every branch that has it not. */
  async finish(text: string): Promise<void> {
    for (const one of this.#all) if ((await one.sensitivity()) !== text) await one.finish(text);
  }

  /** Removes what is there: it was made from other bytes of the base. */
  async discard(): Promise<void> {
    for (const one of this.#all) await one.discard();
  }
}
