import { Pending } from "../ground/pending.ts";
import { type Matrix, sharedIntegers } from "../kernel/matrix.ts";
import type { BlockPlace } from "../models/rider.ts";
import { joinRoutings, type Routing } from "../models/routing.ts";
import { type Model, plainContext } from "../models/run.ts";
import { passBlock } from "./block-pass.ts";
import type { Boundary } from "./margins.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { advance, type ComparedStates, divergences, join, type Probe } from "./probes.ts";

/** A pass through a block as a rider makes it. */
export type Pass = (model: Model) => Promise<unknown>;

/** KL by position with all tensors at the probe's width. */
export interface JointResults {
  readonly forced: Float64Array;
  /** Of a model without routers the same. */
  readonly free: Float64Array;
  /** Weight of each position. */
  readonly positionWeights: Float64Array;
}

/**
 * All tensors at the probe's width at once: with forced routes and, if there are routers, free
 * ones. They run on the probe rows and on `more` rows, because few positions make most of the KL of
 * flips. The base's states of the probe rows are those of the ProbeWalk; here are those of `more`.
 */
export class JointProbes {
  readonly #model: Model;
  readonly #rows: ProbeRows;
  #more: Matrix | null = null;
  #probes: readonly Probe[] = [];

  constructor(model: Model, rows: ProbeRows) {
    this.#model = model;
    this.#rows = rows;
  }

  /** Looks the embeddings of the base up, and those at the probe's width. */
  async start(base: Model, probed: Model): Promise<void> {
    const { ids, more, length } = this.#rows;
    const embed = (model: Model, some: Uint32Array) =>
      model.architecture.forward.embed(plainContext(model, null, { length }), some);
    if (more.length > 0) this.#more = await embed(base, more);
    const all = sharedIntegers(ids.length + more.length);
    all.set(ids);
    all.set(more, ids.length);
    const { architecture, config } = base;
    const names = architecture.experts(config) === null ? ["forced"] : ["forced", "free"];
    this.#probes = [];
    for (const name of names)
      this.#probes = [...this.#probes, { name, x: await embed(probed, all), flipPower: 0 }];
  }

  /** The probes, and the hidden states of the further rows. */
  save(): { readonly probes: readonly Probe[]; readonly more: Matrix | null } {
    return { probes: this.#probes, more: this.#more };
  }

  restore({ probes, more }: ReturnType<JointProbes["save"]>): void {
    this.#probes = probes;
    this.#more = more;
  }

  /**
   * The passes through a block. `change`: the model with all tensors of the block at the probe's
   * width. `boundary`: that of the base's router, for the probe rows.
   */
  passes(
    place: BlockPlace,
    change: (model: Model) => Model,
    boundary: () => Promise<Boundary>,
  ): readonly Pass[] {
    const { length } = this.#rows;
    const free = this.#probes.slice(1);
    const together = (all: typeof boundary) => (model: Model) =>
      advance(change(model), place, this.#probes, { length, boundary: all, free });
    if (this.#more === null) return [together(boundary)];
    const routed = new Pending<Routing>();
    const joined = async () => {
      const first = await boundary();
      const weights = this.#rows.jointWeights;
      return { ...first, weights, routing: joinRoutings(first.routing, await routed.promise) };
    };
    return [(model) => this.#passMore(model, place, routed), together(joined)];
  }

  async #passMore(model: Model, place: BlockPlace, routed: Pending<Routing>): Promise<void> {
    const routes = (own: Routing) => {
      routed.resolve(own);
      return own;
    };
    try {
      const options = { length: this.#rows.length, routes };
      this.#more = (await passBlock(model, place, this.#more!, options)).after;
    } catch (error) {
      routed.reject(error);
      throw error;
    }
  }

  /**
   * Compares them with the base: at every position, or where no route is free, at the positions of
   * all probes. `x`: the base's states of the probe rows behind the last block. `head`: the model
   * with its head at the probe's width.
   */
  async compare(x: Matrix, head: Model): Promise<JointResults> {
    const { compared, jointWeights, length } = this.#rows;
    const isFree = this.#probes.length > 1;
    const some = (states: Matrix) => (isFree ? states : this.#model.ops.gather(states, compared));
    const all = this.#more === null ? x : join([x, this.#more]);
    const base = { x: await some(all), head: this.#model };
    const states: ComparedStates[] = [];
    for (const { x } of this.#probes) states.push({ x: await some(x), head });
    const [forced, free = forced] = await divergences(base, states, length);
    const positionWeights = isFree
      ? jointWeights
      : Float64Array.from(compared, (token) => jointWeights[token]!);
    return { forced: forced!, free: free!, positionWeights };
  }
}
