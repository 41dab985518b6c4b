import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import { Pending } from "../ground/pending.ts";
import { sharedFloats } from "../kernel/matrix.ts";
import { comparisonColumns } from "../kernel/routines/compare.ts";
import {
  type BlockPlace,
  type KeepStates,
  type Rider,
  rideAll,
  TextRider,
} from "../models/rider.ts";
import { firstTokens, type Routing } from "../models/routing.ts";
import { type Head, type Model, openHead, type WeightSource } from "../models/run.ts";
import { compareHidden, type Predictions } from "./compare-hidden.ts";

/** How a model differs from its base, by position, in the order of the rows that it was run on. */
export interface Divergence {
  /** KL(base ‖ model) `[positions]` in nats, over the full vocabulary in float64. */
  readonly divergence: Float64Array;
  /**
   * Log-probability of the next token under the base and under the model. NaN at the last position
   * of a row, which has no next token.
   */
  readonly base: Float64Array;
  readonly model: Float64Array;
  /** 1 if the same token is the likeliest under both, else 0. */
  readonly sameTop: Uint8Array;
  /**
   * Share of the base's choices of experts that the model also made, by layer. Empty without
   * routers.
   */
  readonly routerAgreement: ReadonlyMap<number, number>;
  /** Share of tokens whose whole set of experts is the same, by layer. */
  readonly exactRoutes: ReadonlyMap<number, number>;
}

/** A pass over some rows of text that is compared with others. */
export interface Run {
  readonly rider: TextRider;
}

/** The base's pass over some rows of text. Those of the models compared with it follow it. */
export class BaseRun implements Run, Rider {
  readonly rows: CalibrationIds;
  readonly rider: TextRider;
  /** By layer, without scores, which would take most of the memory. */
  readonly #routes = new Map<number, Pending<Routing>>();
  /** Layer -> how many have asked for its choice. */
  readonly #asked = new Map<number, number>();
  #followers = 0;

  constructor(rows: CalibrationIds, keep?: KeepStates) {
    const routes = (layer: number, own: Routing) => {
      // A model that follows these routes has its own scores.
      this.#pending(layer).resolve({ ...own, scores: sharedFloats(0) });
      return own;
    };
    this.rows = rows;
    this.rider = new TextRider({ ...rows, routes, ...(keep && { keep }) });
  }

  /** Announces a run that will ask once for the choice of every layer with a router. */
  follow(): void {
    this.#followers++;
  }

  /**
   * Its choice of experts in a layer, as soon as it is made. It is freed when all followers have
   * it.
   */
  async routes(layer: number): Promise<Routing> {
    const choice = await this.#pending(layer).promise;
    const asked = (this.#asked.get(layer) ?? 0) + 1;
    this.#asked.set(layer, asked);
    if (asked === this.#followers) this.#routes.delete(layer);
    return choice;
  }

  embed(model: Model): Promise<void> {
    return this.rider.embed(model);
  }

  async pass(model: Model, place: BlockPlace): Promise<void> {
    try {
      await this.rider.pass(model, place);
    } catch (error) {
      this.#pending(place.layer).reject(error); // others may wait for the choice
      throw error;
    }
  }

  #pending(layer: number): Pending<Routing> {
    const pending = this.#routes.get(layer) ?? new Pending<Routing>();
    this.#routes.set(layer, pending);
    return pending;
  }
}

export interface ComparedOptions {
  /** Whether it follows the base's choice of experts, with weights of its own router. */
  readonly forced: boolean;
  /** Of the base's rows it passes so many, the first ones. Default: all. */
  readonly samples?: number;
  readonly keep?: KeepStates | undefined;
  /** Its weights, made from those of the model that it rides on. Default: the same. */
  readonly weights?: (model: WeightSource) => WeightSource;
}

/** A model's pass over rows of the base. At each router it waits for the base's choice. */
export class ComparedRun implements Run {
  readonly rows: CalibrationIds;
  readonly rider: TextRider;
  readonly routerAgreement = new Map<number, number>();
  readonly exactRoutes = new Map<number, number>();

  constructor(base: BaseRun, { forced, samples, keep, weights }: ComparedOptions) {
    base.follow();
    this.rows = firstRows(base.rows, samples ?? base.rows.samples);
    const tokens = this.rows.ids.length;
    const routes = async (layer: number, own: Routing) => {
      const theirs = firstTokens(await base.routes(layer), tokens);
      const { same, exact } = agreement(theirs, own);
      this.routerAgreement.set(layer, same);
      this.exactRoutes.set(layer, exact);
      return forced ? theirs : own;
    };
    const given = { ...(keep && { keep }), ...(weights && { weights }) };
    this.rider = new TextRider({ ...this.rows, routes, ...given });
  }
}

function firstRows({ ids, length }: CalibrationIds, samples: number): CalibrationIds {
  return { ids: ids.subarray(0, samples * length), samples, length };
}

/** A run at the end of its last block, and the model that it rode on. */
export interface Finished<R extends Run> {
  readonly run: R;
  readonly model: Model;
}

/** Compares runs with that of the base. The base's logits are made once for all of them. */
export async function divergences(
  base: Finished<BaseRun>,
  compared: readonly Finished<ComparedRun>[],
): Promise<readonly Divergence[]> {
  const { rows } = base.run;
  const next = new Uint32Array(new SharedArrayBuffer(4 * rows.ids.length));
  next.set(rows.ids.subarray(1));
  const heads = new Map<Model, Head>();
  const finish = async ({ run, model }: Finished<BaseRun | ComparedRun>) => {
    const own = run.rider.own(model);
    const head = heads.get(own) ?? (await openHead(own));
    heads.set(own, head);
    const range = (start: number, end: number) => run.rider.finish(model, start, end);
    return { hidden: { rows: run.rows.ids.length, range }, head };
  };
  const reference = await finish(base);
  const models: Predictions[] = [];
  for (const one of compared) models.push(await finish(one));
  const all = await compareHidden(base.model.ops.kernel, { base: reference, models, next });
  return compared.map(({ run }, i) => divergenceOf(run, all[i]!));
}

function divergenceOf(
  { rows: { ids, length }, routerAgreement, exactRoutes }: ComparedRun,
  results: Float64Array,
): Divergence {
  const column = (i: number) =>
    Float64Array.from(ids, (_, t) => results[comparisonColumns * t + i]!);
  const scored = (i: number) =>
    column(i).map((value, t) => ((t + 1) % length === 0 ? Number.NaN : value));
  return {
    divergence: column(0),
    base: scored(1),
    model: scored(2),
    sameTop: Uint8Array.from(column(3)),
    routerAgreement,
    exactRoutes,
  };
}

/** A model to compare with a base. */
export interface Compared {
  readonly model: Model;
  readonly forced: boolean;
}

/** Runs base and models over the rows, side by side. Gives a divergence for each model. */
export async function diverge(
  base: Model,
  rows: CalibrationIds,
  models: readonly Compared[],
  keep?: KeepStates,
): Promise<readonly Divergence[]> {
  const own = new BaseRun(rows, keep);
  const runs = models.map(({ model, forced }) => {
    return { model, run: new ComparedRun(own, { forced, keep }) };
  });
  const groups = [...new Set(models.map(({ model }) => model))].map((model) => {
    const some = runs.filter((run) => run.model === model);
    return { model, riders: some.map(({ run }) => run.rider) };
  });
  await rideAll([{ model: base, riders: [own] }, ...groups]);
  return divergences({ model: base, run: own }, runs);
}

/** Share of the base's choices that the model also made, and of tokens with the same set. */
function agreement(base: Routing, model: Routing): { same: number; exact: number } {
  let [both, exact] = [0, 0];
  for (let token = 0; token < base.tokens; token++) {
    const chosen = (routing: Routing) =>
      routing.experts.subarray(
        token * routing.candidates,
        token * routing.candidates + routing.perToken,
      );
    const theirs = chosen(base);
    let common = 0;
    for (const expert of chosen(model)) if (theirs.includes(expert)) common++;
    both += common;
    if (common === base.perToken) exact++;
  }
  return { same: both / (base.tokens * base.perToken), exact: exact / base.tokens };
}
