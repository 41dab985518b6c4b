import { type Matrix, rowsOf } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { LinearOptions } from "../models/forward.ts";
import { type Input, type LazyRows, rowsFrom } from "../models/lazy-rows.ts";
import {
  collect,
  type Gram,
  type Hessian,
  makeHessian,
  newGram,
  type Shrinkage,
} from "./hessian.ts";
import type { TuningTools } from "./tuning-tools.ts";

/** Receives the counts that are made while Hessians are gathered. */
export interface HessianWatch {
  /** `rows` of an input were not finite. They count as zeros. */
  drop(rows: number, fedBy: string): void;
  /** So many tokens were routed to an expert. */
  route(expert: number, tokens: number): void;
}

export interface HessianSource {
  readonly tools: TuningTools;
  readonly watch: HessianWatch;
  /** The block's tuned tensors. Those with the same `fedBy` share a Hessian. */
  readonly quantized: readonly PlannedTensor[];
}

/** Tokens of an expert, and those that the router nearly sent to it. */
interface ExpertInput {
  readonly expert: number;
  readonly input: LazyRows;
  readonly near: Matrix | undefined;
}

/** A Hessian that several roles use. The last one to release it frees its buffer. */
export interface SharedHessian {
  readonly hessian: Promise<Hessian>;
  release(made: Hessian): void;
}

/** The Hessians of one block's inputs. Each is gathered when the first of its roles asks for it. */
export class InputHessians {
  readonly #source: HessianSource;
  readonly #pooled = new Map<string, Promise<Gram>>();
  /** Hessians that are being made or that further roles will ask for, by input and expert. */
  readonly #hessians = new Map<string, { readonly hessian: Promise<Hessian>; users: number }>();

  constructor(source: HessianSource) {
    this.#source = source;
  }

  /** Gathers the pooled Hessian of an input, which that of each expert is shrunk towards. */
  async pool(fedBy: string, x: Matrix): Promise<void> {
    if (!this.#source.quantized.some(({ role }) => role.fedBy === fedBy)) return;
    const { kernel, hessianBuffers } = this.#source.tools;
    const gather = async () => {
      const gram = newGram(hessianBuffers, x.columns);
      await collect(kernel, gram, await this.#screen(x, fedBy));
      return gram;
    };
    const gram = gather();
    this.#pooled.set(fedBy, gram);
    await gram;
  }

  /** Frees the pooled Hessians. To be called after the block. */
  async close(): Promise<void> {
    for (const gram of this.#pooled.values()) (await gram).release();
  }

  /** The Hessian of a quantized role's input. */
  share(tensor: PlannedTensor, x: Input, { expert, near }: LinearOptions): SharedHessian {
    const { fedBy } = tensor.role;
    const key = `${fedBy} ${expert ?? ""}`;
    let entry = this.#hessians.get(key);
    if (entry === undefined) {
      const users = this.#source.quantized.filter(({ role }) => role.fedBy === fedBy).length;
      const hessian =
        expert === undefined
          ? this.#gather(fedBy!, rowsFrom(x))
          : this.#gatherExpert(fedBy!, { expert, input: rowsFrom(x), near });
      entry = { hessian, users };
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

  /**
   * Sets rows that are not finite to zero: one would spoil the whole sum. Counts them; `fedBy` is
   * null for rows that the pool has counted.
   */
  async #screen(x: Matrix, fedBy: string | null): Promise<Matrix> {
    if (x.rows === 0) return x;
    const { dropped } = await this.#source.tools.kernel.run("screen", { x });
    if (fedBy !== null) this.#source.watch.drop(dropped, fedBy);
    return x;
  }

  /** The Hessian of an input that all tokens have. */
  async #gather(fedBy: string, x: LazyRows): Promise<Hessian> {
    const { kernel, hessianBuffers, settings } = this.#source.tools;
    const gram = newGram(hessianBuffers, x.columns);
    await x.each(async (some) => collect(kernel, gram, await this.#screen(some, fedBy)));
    const few = gram.tokens < settings.denseEnough * gram.columns;
    return this.#finish(gram, { target: null, strength: few ? settings.denseStrength : 0 });
  }

  async #gatherExpert(fedBy: string, { expert, input, near }: ExpertInput): Promise<Hessian> {
    const { tools, watch } = this.#source;
    const { settings, kernel, hessianBuffers } = tools;
    const pooled = (await this.#pooled.get(fedBy)) ?? null;
    const x = await input.whole();
    watch.route(expert, x.rows);
    if (settings.experts === "pooled" && pooled !== null)
      return makeHessian(tools, pooled, { curvature: settings.curvature });
    const gram = newGram(hessianBuffers, x.columns);
    const some = rowsOf(x, 0, Math.ceil(x.rows * settings.expertTokens));
    await collect(kernel, gram, await this.#screen(some, pooled === null ? fedBy : null));
    if (near !== undefined) await this.#addNear(gram, near);
    return this.#finish(
      gram,
      pooled === null
        ? { target: null, strength: settings.diagonalStrength }
        : { target: pooled, strength: settings.pooledStrength },
    );
  }

  /** Adds tokens that the router nearly sent to the expert. They are not counted as its tokens. */
  async #addNear(gram: Gram, near: Matrix): Promise<void> {
    const { settings, kernel } = this.#source.tools;
    const weight = settings.nearWeight;
    if (weight === 0) return;
    const some = rowsOf(near, 0, Math.ceil(near.rows * settings.expertTokens));
    await kernel.run("screen", { x: some });
    await collect(kernel, gram, some, { weight, counted: false });
  }

  async #finish(gram: Gram, shrinkage: Shrinkage): Promise<Hessian> {
    const { tools } = this.#source;
    const hessian = await makeHessian(tools, gram, {
      shrinkage,
      curvature: tools.settings.curvature,
    });
    gram.release();
    return hessian;
  }
}
