import * as v from "valibot";
import { count, finite, line, list, object } from "../ground/schema.ts";
import { measuredBits } from "../plan/sensitivity-types.ts";
import type { TunedSums } from "../quantize/tuned-sums.ts";
import { probeIndex } from "./probe-width.ts";

/** A forecast of tuning's loss, made without tuning. */
export interface Forecast {
  /** tr(W H Wᵀ) */
  readonly energy: number;
  /** tr(E H Eᵀ) for each of `measuredBits`. */
  readonly losses: readonly number[];
}

const byWidth = v.pipe(
  list(finite),
  v.check((values) => values.length === measuredBits.length, `${measuredBits.length} numbers`),
);

/** Sums of one module over its matrices. */
const sumsSchema = object({
  energy: finite,
  /** By width, in the order of `measuredBits`. */
  forecast: byWidth,
  /** Actual loss of all matrices at the probe's width, and that of plain rounding. */
  tunedAtProbe: finite,
  roundedAtProbe: finite,
  /** Forecast and actual losses of the sampled rows alone. */
  sampledForecast: byWidth,
  sampledTuned: byWidth,
  /** Number of sampled matrices, and their tr(W H Wᵀ). */
  sampled: count,
  sampledEnergy: finite,
  /** 1 if `forecast` holds actual losses. */
  exact: count,
});
type Sums = v.InferOutput<typeof sumsSchema>;

/** One sampled module at one width: predicted and actual loss, relative to tr(W H Wᵀ). */
export interface Check {
  readonly module: string;
  readonly bits: number;
  readonly predicted: number;
  readonly tuned: number;
}

/** The result for one matrix. */
export interface MatrixLoss {
  readonly module: string;
  /** Number within the module, which may be a stack of experts. */
  readonly matrix: number;
  readonly forecast: Forecast;
  /** At the probe's width. */
  readonly sums: Pick<TunedSums, "loss" | "roundedLoss">;
  /** Of rows that were tuned at every width; null: it is not in the sample. */
  readonly sample: { readonly forecast: Forecast; readonly sums: readonly TunedSums[] } | null;
}

/** A LossTable as plain values: by module, by matrix. A module that is one matrix has -1. */
export const savedLosses = list(
  v.tuple([
    line,
    list(v.tuple([v.pipe(v.number("a number"), v.safeInteger(), v.minValue(-1)), sumsSchema])),
  ]),
);
export type SavedLosses = v.InferOutput<typeof savedLosses>;

const none = () => measuredBits.map(() => 0);

/** Collects forecast and actual losses of all matrices, which may come in any order. */
export class LossTable {
  readonly #modules = new Map<string, Map<number, Sums>>();
  readonly #ownBits: ReadonlyMap<string, number>;

  /**
   * `ownBits`: the widths that a proxy's modules are quantized at. Tuning at these or wider ones
   * loses nothing, so the losses there are extrapolated.
   */
  constructor(ownBits: ReadonlyMap<string, number> = new Map()) {
    this.#ownBits = ownBits;
  }

  save(): SavedLosses {
    return [...this.#modules].map(([module, matrices]) => [module, [...matrices]]);
  }

  /** Takes over what an earlier run saved. */
  restore(saved: SavedLosses): void {
    for (const [module, matrices] of saved) this.#modules.set(module, new Map(matrices));
  }

  add({ module, matrix, forecast, sums, sample }: MatrixLoss): void {
    this.#put(module, matrix, {
      energy: forecast.energy,
      forecast: [...forecast.losses],
      tunedAtProbe: sums.loss,
      roundedAtProbe: sums.roundedLoss,
      sampled: sample === null ? 0 : 1,
      sampledEnergy: sample?.forecast.energy ?? 0,
      sampledForecast: sample === null ? none() : [...sample.forecast.losses],
      sampledTuned: sample?.sums.map(({ loss }) => loss) ?? none(),
      exact: 0,
    });
  }

  /** Adds a module that was tuned as a whole at every width. It needs no forecast. */
  addTuned(module: string, energy: number, tuned: readonly TunedSums[]): void {
    const losses = tuned.map(({ loss }) => loss);
    const unsampled = { sampledForecast: none(), sampledTuned: none() };
    this.#put(module, -1, {
      energy,
      forecast: losses,
      tunedAtProbe: losses[probeIndex]!,
      roundedAtProbe: tuned[probeIndex]!.roundedLoss,
      ...{ exact: 1, sampled: 0, sampledEnergy: 0 },
      ...unsampled,
    });
  }

  #put(module: string, matrix: number, sums: Sums): void {
    const own = this.#modules.get(module) ?? new Map<number, Sums>();
    this.#modules.set(module, own.set(matrix, sums));
  }

  /** Loss of tuning relative to that of plain rounding, at the probe's width. */
  gain(module: string): number {
    const { tunedAtProbe, roundedAtProbe } = this.#sums(module);
    return roundedAtProbe > 0 ? tunedAtProbe / roundedAtProbe : 1;
  }

  /**
   * The module's tr(E H Eᵀ) / tr(W H Wᵀ) at every width. At the probe's width it is the actual
   * loss. At others it is that loss times the forecast's ratio, corrected by the sample.
   */
  errors(module: string): number[] {
    const own = this.#sums(module);
    const correction = own.exact > 0 ? measuredBits.map(() => 1) : this.correction();
    const errors = measuredBits.map((_, i) => {
      const ratio =
        (own.forecast[i]! * correction[i]!) / (own.forecast[probeIndex]! * correction[probeIndex]!);
      return own.energy > 0 && own.forecast[probeIndex]! > 0
        ? (own.tunedAtProbe * ratio) / own.energy
        : 0;
    });
    // At a proxy's own width and wider ones: each bit halves the step and divides the error by 4.
    for (const [i, bits] of measuredBits.entries()) {
      if (i > 0 && !this.#isNarrower(module, bits))
        errors[i] = errors[i - 1]! * 4 ** (measuredBits[i - 1]! - bits);
    }
    return errors;
  }

  #isNarrower(module: string, bits: number): boolean {
    return bits < (this.#ownBits.get(module) ?? Number.POSITIVE_INFINITY);
  }

  /** Actual / forecast loss at every width: the geometric mean over the sampled modules. */
  correction(): number[] {
    return measuredBits.map((_, i) => {
      const logs = [...this.#modules.keys()]
        .filter((module) => this.#isNarrower(module, measuredBits[i]!))
        .map((module) => this.#sums(module))
        .filter(
          (sums) => sums.sampled > 0 && sums.sampledForecast[i]! > 0 && sums.sampledTuned[i]! > 0,
        )
        .map((sums) => Math.log(sums.sampledTuned[i]! / sums.sampledForecast[i]!));
      return logs.length === 0
        ? 1
        : Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
    });
  }

  /** The sampled modules, in the order of `modules`. Predictions include the correction. */
  checks(modules: readonly string[]): Check[] {
    const correction = this.correction();
    return modules.flatMap((module) => {
      const sums = this.#sums(module);
      if (sums.sampled === 0 || !(sums.sampledEnergy > 0)) return [];
      const checked = measuredBits.map((bits, i) => ({
        module,
        bits,
        predicted: (sums.sampledForecast[i]! * correction[i]!) / sums.sampledEnergy,
        tuned: sums.sampledTuned[i]! / sums.sampledEnergy,
      }));
      return checked.filter(({ bits }) => this.#isNarrower(module, bits));
    });
  }

  /** Sums in the order of the matrices, so that they do not depend on timing. */
  #sums(module: string): Sums {
    const entries = [...(this.#modules.get(module) ?? [])]
      .sort(([a], [b]) => a - b)
      .map(([, sums]) => sums);
    const total = (of: (sums: Sums) => number) =>
      entries.reduce((sum, entry) => sum + of(entry), 0);
    const widths = (of: (sums: Sums) => readonly number[]) =>
      measuredBits.map((_, i) => total((sums) => of(sums)[i]!));
    return {
      energy: total((sums) => sums.energy),
      forecast: widths((sums) => sums.forecast),
      tunedAtProbe: total((sums) => sums.tunedAtProbe),
      roundedAtProbe: total((sums) => sums.roundedAtProbe),
      sampledForecast: widths((sums) => sums.sampledForecast),
      sampledTuned: widths((sums) => sums.sampledTuned),
      sampled: total((sums) => sums.sampled),
      sampledEnergy: total((sums) => sums.sampledEnergy),
      exact: total((sums) => sums.exact),
    };
  }
}
