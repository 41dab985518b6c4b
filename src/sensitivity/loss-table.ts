import type { Width } from "../kernel/width.ts";
import { measuredBits } from "../plan/sensitivity-types.ts";
import type { TunedSums } from "../quantize/tune-matrix.ts";
import { probeIndex } from "./probe-width.ts";

/** tr(W H Wᵀ), and what each width is expected to lose of it. */
export interface Forecast {
  readonly energy: number;
  readonly losses: readonly number[];
}

/** Sums of one module over its matrices. */
interface Sums {
  energy: number;
  /** By width, in the order of `measuredBits`. */
  readonly forecast: number[];
  /** Of all matrices at the probe's width. */
  tunedAtProbe: number;
  /** Of the sampled matrices alone. */
  readonly sampledForecast: number[];
  readonly sampledTuned: number[];
  sampled: number;
  /** The sampled matrices' tr(W H Wᵀ). */
  sampledEnergy: number;
  /** 1 where the forecast is what real tuning lost. */
  exact: number;
}

/** One sampled module at one width: what was forecast and what real tuning lost, over tr(W H Wᵀ). */
export interface Check {
  readonly module: string;
  readonly bits: number;
  readonly predicted: number;
  readonly tuned: number;
}

/** Keeps what every matrix is forecast to lose, and what it lost where it was really tuned. Matrices may come in any order. */
export class LossTable {
  readonly #modules = new Map<string, Map<number, Sums>>();
  readonly #ownBits: ReadonlyMap<string, number>;

  /** `ownBits`: widths that modules already lie on the grid of, where a proxy is measured: what is not narrower loses nothing there. */
  constructor(ownBits: ReadonlyMap<string, number> = new Map()) {
    this.#ownBits = ownBits;
  }

  /** `matrix`: its number within the module. `tried`: the widths that `tuned` are of; all for a sampled matrix, else the probe's alone. */
  add(
    module: string,
    matrix: number,
    forecast: Forecast,
    tried: readonly Width[],
    tuned: readonly TunedSums[],
  ): void {
    const sampled = tried.length === measuredBits.length;
    const lossAt = (bits: number) => tuned[tried.findIndex((width) => width.bits === bits)]!.loss;
    const sums: Sums = {
      energy: forecast.energy,
      forecast: [...forecast.losses],
      tunedAtProbe: lossAt(measuredBits[probeIndex]!),
      sampled: Number(sampled),
      sampledEnergy: sampled ? forecast.energy : 0,
      sampledForecast: measuredBits.map((_, i) => (sampled ? forecast.losses[i]! : 0)),
      sampledTuned: measuredBits.map((bits) => (sampled ? lossAt(bits) : 0)),
      exact: 0,
    };
    this.#put(module, matrix, sums);
  }

  /** A module that was tuned at every width as a whole, and needs no forecast. */
  addTuned(module: string, energy: number, tuned: readonly TunedSums[]): void {
    const losses = tuned.map(({ loss }) => loss);
    const none = measuredBits.map(() => 0);
    const unsampled = { sampled: 0, sampledEnergy: 0, sampledForecast: none, sampledTuned: none };
    this.#put(module, -1, {
      energy,
      forecast: losses,
      tunedAtProbe: losses[probeIndex]!,
      exact: 1,
      ...unsampled,
    });
  }

  #put(module: string, matrix: number, sums: Sums): void {
    const own = this.#modules.get(module) ?? new Map<number, Sums>();
    this.#modules.set(module, own.set(matrix, sums));
  }

  /**
   * The module's tr(E H Eᵀ) / tr(W H Wᵀ) at every width: really tuned at the probe's, carried to the others by the forecast's ratio and
   * by how that ratio held on the sample.
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
    // A proxy's own grid and finer ones: each bit halves the step, and quarters the error.
    for (const [i, bits] of measuredBits.entries()) {
      if (i > 0 && !this.#isNarrower(module, bits))
        errors[i] = errors[i - 1]! * 4 ** (measuredBits[i - 1]! - bits);
    }
    return errors;
  }

  #isNarrower(module: string, bits: number): boolean {
    return bits < (this.#ownBits.get(module) ?? Number.POSITIVE_INFINITY);
  }

  /** Real over forecast loss by width: the geometric mean over the sampled modules. */
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

  /** The sample, forecast with its correction, in the order of `modules`. */
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

  /** Added up in the order of the matrices, whatever order they came in. */
  #sums(module: string): Sums {
    const entries = [...(this.#modules.get(module) ?? [])]
      .sort(([a], [b]) => a - b)
      .map(([, sums]) => sums);
    const total = (of: (sums: Sums) => number) =>
      entries.reduce((sum, entry) => sum + of(entry), 0);
    const byWidth = (of: (sums: Sums) => number[]) =>
      measuredBits.map((_, i) => total((sums) => of(sums)[i]!));
    return {
      energy: total((sums) => sums.energy),
      forecast: byWidth((sums) => sums.forecast),
      tunedAtProbe: total((sums) => sums.tunedAtProbe),
      sampledForecast: byWidth((sums) => sums.sampledForecast),
      sampledTuned: byWidth((sums) => sums.sampledTuned),
      sampled: total((sums) => sums.sampled),
      sampledEnergy: total((sums) => sums.sampledEnergy),
      exact: total((sums) => sums.exact),
    };
  }
}
