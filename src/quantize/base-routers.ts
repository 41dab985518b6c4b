import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import { asWeight, type Matrix, sharedFloats } from "../kernel/matrix.ts";
import type { Ops } from "../models/ops.ts";
import { type KeepStates, type Rider, TextRider } from "../models/rider.ts";
import type { Routing } from "../models/routing.ts";
import type { RunOptions, WeightSource } from "../models/run.ts";

/** Records the logits and choices of the base's routers on the calibration rows, by layer. */
export class BaseRouters {
  readonly #ops: Ops;
  readonly #logits = new Map<number, Matrix>();
  readonly #choices = new Map<number, Routing>();

  constructor(ops: Ops) {
    this.#ops = ops;
  }

  /** Options for a run of the base that is to be recorded. */
  recorders(weights: WeightSource): Required<Pick<RunOptions, "router" | "routes">> {
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

  /** A rider on the base that only records. */
  rider(weights: WeightSource, { ids, length }: CalibrationIds, keep?: KeepStates): Rider {
    return new TextRider({ ids, length, ...this.recorders(weights), ...(keep && { keep }) });
  }

  /** Logits of the layer's router, `[tokens, routed]`. */
  logits(layer: number): Matrix {
    return this.#logits.get(layer)!;
  }

  /** The experts that the layer's router chose, without scores. */
  choice(layer: number): Routing {
    return this.#choices.get(layer)!;
  }
}
