import type { Kernel } from "../kernel/kernel-types.ts";
import type { Leases } from "../kernel/lease.ts";
import { type Matrix, rowsOf } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { LinearOptions } from "../models/forward.ts";
import {
  collect,
  type Gram,
  type Hessian,
  makeHessian,
  newGram,
  type Shrinkage,
} from "./hessian.ts";
import type { TuningSettings } from "./tuning-settings.ts";

/** Who hears of what is met on the way. */
export interface HessianWatch {
  /** Rows of an input that were not finite and count as zeros. */
  drop(rows: number, fedBy: string): void;
  /** The tokens that came to an expert. */
  route(expert: number, x: Matrix): void;
}

export interface HessianSource {
  readonly kernel: Kernel;
  readonly settings: TuningSettings;
  readonly buffers: Leases;
  readonly watch: HessianWatch;
  /** The quantized tensors of this place: those with the same `fedBy` share a Hessian. */
  readonly quantized: readonly PlannedTensor[];
  /** Experts of this place that are critical to a domain; absent: none is known. */
  readonly critical?: ReadonlySet<number>;
}

/** A Hessian that several roles use; the last one to release it gives its memory back. */
export interface SharedHessian {
  readonly hessian: Promise<Hessian>;
  release(made: Hessian): void;
}

/** The Hessians of one place in the model: a block, or the glue. Each is gathered when the first role that its input feeds asks. */
export class InputHessians {
  readonly #source: HessianSource;
  readonly #pooled = new Map<string, Promise<Gram>>();
  /** Hessians under way or yet to be asked for by further roles, by input and expert. */
  readonly #hessians = new Map<string, { readonly hessian: Promise<Hessian>; users: number }>();

  constructor(source: HessianSource) {
    this.#source = source;
  }

  /** Gathers the Hessian that the experts' own ones of this input are shrunk to. */
  async pool(fedBy: string, x: Matrix): Promise<void> {
    const { kernel, buffers } = this.#source;
    const gather = async () => {
      const gram = newGram(buffers, x.columns);
      await collect(kernel, gram, await this.screen(x, fedBy));
      return gram;
    };
    const gram = gather();
    this.#pooled.set(fedBy, gram);
    await gram;
  }

  /** When the place is done. */
  async close(): Promise<void> {
    for (const gram of this.#pooled.values()) (await gram).release();
  }

  /** The Hessian of a quantized role's input. */
  share(tensor: PlannedTensor, x: Matrix, { expert, near }: LinearOptions): SharedHessian {
    const key = `${tensor.role.fedBy} ${expert ?? ""}`;
    let entry = this.#hessians.get(key);
    if (entry === undefined) {
      const users = this.#source.quantized.filter(
        ({ role }) => role.fedBy === tensor.role.fedBy,
      ).length;
      entry = { hessian: this.#gather(tensor, x, expert, near), users };
      this.#hessians.set(key, entry);
    }
    const { hessian } = entry;
    const release = (made: Hessian) => {
      entry.users--;
      if (entry.users > 0) return;
      this.#hessians.delete(key);
      made.release();
    };
    return { hessian, release };
  }

  /** Without the rows that are not finite, which would spoil the whole sum: they become zeros, and are counted. */
  async screen(x: Matrix, fedBy: string): Promise<Matrix> {
    if (x.rows === 0) return x;
    const { dropped } = await this.#source.kernel.run("screen", { x });
    this.#source.watch.drop(dropped, fedBy);
    return x;
  }

  async #gather(
    tensor: PlannedTensor,
    x: Matrix,
    expert?: number,
    near?: Matrix,
  ): Promise<Hessian> {
    const { settings, kernel, buffers, watch } = this.#source;
    const fedBy = tensor.role.fedBy!;
    const pooled = (await this.#pooled.get(fedBy)) ?? null;
    if (expert !== undefined) watch.route(expert, x);
    if (expert !== undefined && settings.experts === "pooled" && pooled !== null) {
      return makeHessian(
        kernel,
        buffers,
        pooled,
        { target: null, strength: 0 },
        settings.curvature,
      );
    }
    const gram = newGram(buffers, x.columns);
    const seen = expert === undefined ? x : rowsOf(x, 0, Math.ceil(x.rows * settings.expertTokens));
    await collect(kernel, gram, await this.screen(seen, fedBy));
    const isCritical = expert !== undefined && this.#source.critical?.has(expert) === true;
    const nearWeight = isCritical ? settings.criticalNearWeight : settings.nearWeight;
    if (near !== undefined && nearWeight > 0) {
      const some = rowsOf(near, 0, Math.ceil(near.rows * settings.expertTokens));
      await kernel.run("screen", { x: some }); // no token of the text went through them: not counted
      await collect(kernel, gram, some, nearWeight, false);
    }
    const shrinkage = this.#shrinkage(gram, pooled, expert !== undefined);
    const hessian = await makeHessian(kernel, buffers, gram, shrinkage, settings.curvature);
    gram.release();
    return hessian;
  }

  #shrinkage(gram: Gram, pooled: Gram | null, routed: boolean): Shrinkage {
    const { pooledStrength, diagonalStrength, denseStrength, denseEnough } = this.#source.settings;
    if (pooled !== null) return { target: pooled, strength: pooledStrength };
    if (routed) return { target: null, strength: diagonalStrength };
    const few = gram.tokens < denseEnough * gram.width;
    return { target: null, strength: few ? denseStrength : 0 };
  }
}
