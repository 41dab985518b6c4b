import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import { asWeight, type Matrix, rowsOf, sharedFloats, sharedIntegers } from "../kernel/matrix.ts";
import type { Ops } from "../models/ops.ts";
import { type KeepStates, type Rider, TextRider } from "../models/rider.ts";
import type { Routing } from "../models/routing.ts";
import type { RunOptions, WeightSource } from "../models/run.ts";

type Recorders = Required<Pick<RunOptions, "router" | "routes">>;

/**
 * Records the logits and choices of the base's routers on some calibration rows, by layer. A layer
 * is freed when all users have had its choice, which each asks for after the logits.
 */
export class BaseRouters {
  /** The rows that gates are fitted on. */
  readonly rows: CalibrationIds;
  readonly #ops: Ops;
  /** Their numbers among the calibration rows. */
  readonly #numbers: readonly number[];
  readonly #logits = new Map<number, Matrix>();
  readonly #choices = new Map<number, Routing>();
  readonly #users: number;
  /** Layer -> how many have had its choice. */
  readonly #had = new Map<number, number>();

  /** Takes at most `most` of the calibration rows, spread evenly over them. */
  constructor(ops: Ops, calibration: CalibrationIds, users: number, most: number) {
    const { ids, samples, length } = calibration;
    const count = Math.min(most, samples);
    this.#ops = ops;
    this.#users = users;
    this.#numbers = Array.from({ length: count }, (_, i) => Math.floor((i * samples) / count));
    this.rows = { ids: this.#cut(ids, length, sharedIntegers), samples: count, length };
  }

  /** Options for a run of the base over all calibration rows. */
  recorders(weights: WeightSource): Recorders {
    const { length } = this.rows;
    const recorders = this.#recorders(weights);
    return {
      router: (layer, role, x) => {
        const data = this.#cut(x.data, length * x.columns, sharedFloats);
        const rows = this.rows.ids.length;
        return recorders.router(layer, role, rowsOf({ ...x, data }, 0, rows));
      },
      routes: async (layer, own) => {
        await recorders.routes(layer, {
          ...own,
          tokens: this.rows.ids.length,
          experts: this.#cut(own.experts, length * own.candidates, sharedIntegers),
          selection: this.#cut(own.selection, length * own.candidates, sharedFloats),
          weights: this.#cut(own.weights, length * own.perToken, sharedFloats),
        });
        return own;
      },
    };
  }

  /** A rider on the base that only records. */
  rider(weights: WeightSource, keep?: KeepStates): Rider {
    const options = { ...this.rows, ...this.#recorders(weights), ...(keep && { keep }) };
    return new TextRider(options);
  }

  /** Options for a run of the base over the rows of the fit. */
  #recorders(weights: WeightSource): Recorders {
    return {
      router: async (layer, role, x) => {
        const gate = (await weights.unquantized(layer, role))!;
        this.#logits.set(layer, await this.#ops.linear(x, asWeight(gate, x.columns)));
        return gate;
      },
      routes: (layer, own) => {
        // The scores are large, and a model that follows this choice has its own.
        this.#choices.set(layer, { ...own, scores: sharedFloats(0) });
        return own;
      },
    };
  }

  /** Logits of the layer's router, `[tokens, routed]`. */
  logits(layer: number): Matrix {
    return this.#logits.get(layer)!;
  }

  /** The experts that the layer's router chose, without scores. */
  choice(layer: number): Routing {
    const choice = this.#choices.get(layer)!;
    const had = (this.#had.get(layer) ?? 0) + 1;
    this.#had.set(layer, had);
    if (had === this.#users) {
      this.#logits.delete(layer);
      this.#choices.delete(layer);
    }
    return choice;
  }

  /** The rows of the fit, of values with `size` elements for each calibration row. */
  #cut<T extends Float32Array<SharedArrayBuffer> | Uint32Array<SharedArrayBuffer>>(
    values: T,
    size: number,
    make: (count: number) => T,
  ): T {
    if (this.#numbers.length * size === values.length) return values;
    const some = make(this.#numbers.length * size);
    for (const [i, row] of this.#numbers.entries())
      some.set(values.subarray(row * size, (row + 1) * size), i * size);
    return some;
  }
}
