import { collectShared } from "../kernel/collect.ts";
import { copyMatrix, type Matrix, rowsOf } from "../kernel/matrix.ts";
import type { LayerKind } from "./layer-kind.ts";
import { type KeepBytes, RereadWeights } from "./reread-weights.ts";
import {
  blockContext,
  type Model,
  plainContext,
  type RunOptions,
  type WeightSource,
} from "./run.ts";
import { SharedWeights } from "./shared-weights.ts";

/** A block of a model. */
export interface BlockPlace {
  readonly layer: number;
  readonly kind: LayerKind;
}

/**
 * Something that goes through a model block by block, beside others. All riders of a model share
 * what is read, so one read of the model serves all of them.
 */
export interface Rider {
  /** Looks its tokens up. */
  embed(model: Model): Promise<void>;
  /** Goes through a block. */
  pass(model: Model, place: BlockPlace): Promise<void>;
}

/** Hidden states that are kept. */
export interface KeptStates {
  /** Gives them back, once. */
  take(): Promise<Matrix>;
  /** Rows `[start, end)`, as often as they are asked for. */
  range(start: number, end: number): Promise<Matrix>;
}

/** Keeps hidden states between two blocks. */
export type KeepStates = (x: Matrix) => Promise<KeptStates>;

/** Keeps hidden states in memory. */
export const keepInMemory: KeepStates = async (x) => ({
  take: async () => x,
  range: async (start, end) => rowsOf(x, start, end),
});

/** The hidden states of a rider between two blocks. */
export class HeldStates {
  readonly #keep: KeepStates;
  #kept: KeptStates | null = null;

  constructor(keep: KeepStates = keepInMemory) {
    this.#keep = keep;
  }

  async keep(x: Matrix): Promise<void> {
    this.#kept = await this.#keep(x);
  }

  async take(): Promise<Matrix> {
    const states = this.#own();
    this.#kept = null;
    return states.take();
  }

  /** Rows `[start, end)`. The rider still has them. */
  async range(start: number, end: number): Promise<Matrix> {
    return this.#own().range(start, end);
  }

  #own(): KeptStates {
    if (this.#kept === null) throw new TypeError("this rider has no hidden states");
    return this.#kept;
  }
}

export interface TextRiderOptions extends Pick<RunOptions, "length" | "routes" | "router"> {
  readonly ids: Uint32Array;
  readonly keep?: KeepStates;
  /** The rider's own weights, made from those of the model. Default: the model's. */
  readonly weights?: (model: WeightSource) => WeightSource;
}

/** Whole sequences of token ids in a plain forward pass. */
export class TextRider implements Rider {
  readonly #options: TextRiderOptions;
  readonly #states: HeldStates;

  constructor(options: TextRiderOptions) {
    this.#options = options;
    this.#states = new HeldStates(options.keep);
  }

  async embed(model: Model): Promise<void> {
    const own = this.own(model);
    const context = plainContext(own, null, this.#options);
    await this.#states.keep(await own.architecture.forward.embed(context, this.#options.ids));
  }

  async pass(model: Model, { layer, kind }: BlockPlace): Promise<void> {
    const own = this.own(model);
    const x = await this.#states.take();
    const after =
      kind.mlp === "moe"
        ? await own.architecture.forward.block(blockContext(own, layer, kind, this.#options), x)
        : await this.#passInBatches(own, { layer, kind }, x);
    await this.#states.keep(after);
  }

  /**
   * A dense block is passed by some sequences after the others: what it makes within is wider than
   * the states. Its weights stay in memory until all have passed. Overwrites x.
   */
  async #passInBatches(own: Model, { layer, kind }: BlockPlace, x: Matrix): Promise<Matrix> {
    const held = { ...own, weights: holdWeights(own.weights) };
    const context = blockContext(held, layer, kind, this.#options);
    await own.ops.inBatches(x.rows, this.#options.length, async (start, end) => {
      const rows = rowsOf(x, start, end);
      copyMatrix(await own.architecture.forward.block(context, rows), rows);
    });
    return x;
  }

  /** Rows `[start, end)` of the head's input, `[end - start, hidden]`, after the last block. */
  async finish(model: Model, start: number, end: number): Promise<Matrix> {
    const context = plainContext(this.own(model), null, this.#options);
    return model.architecture.forward.finish(context, await this.#states.range(start, end));
  }

  /** The model with the rider's own weights. */
  own(model: Model): Model {
    const { weights } = this.#options;
    return weights === undefined ? model : { ...model, weights: weights(model.weights) };
  }
}

/** Weights that are asked for once, and stay in memory as long as the result. */
function holdWeights(weights: WeightSource): WeightSource {
  const held = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, read: () => Promise<T>): Promise<T> => {
    const value = held.get(key) ?? read();
    held.set(key, value);
    // Every value with this key was made by the same kind of read.
    return value as Promise<T>;
  };
  return {
    unquantized: (layer, role) =>
      once(`unquantized ${layer} ${role}`, () => weights.unquantized(layer, role)),
    matrix: (layer, role, expert, range) =>
      once(`${layer} ${role} ${expert ?? 0} ${range ?? ""}`, () =>
        weights.matrix(layer, role, expert, range),
      ),
  };
}

/** Lets all riders look their tokens up. Each part of the table is read once. */
export function embedAll(model: Model, riders: readonly Rider[]): Promise<void> {
  return share(model, riders, true, (rider, own) => rider.embed(own));
}

/**
 * Takes all riders through a block. Each of its weights is read once. Through a stack of experts,
 * riders pass expert by expert together, because the stack does not fit in memory. With
 * `keepWeights` they pass one after another, and `keepWeights` holds the stack. Through other
 * blocks they always pass one after another, because all their activations would not fit.
 */
export async function passAll(
  model: Model,
  riders: readonly Rider[],
  place: BlockPlace,
  keepWeights: KeepBytes | null = null,
): Promise<void> {
  const isStack = place.kind.mlp === "moe";
  const pass = (rider: Rider, own: Model) => rider.pass(own, place);
  if (!isStack || keepWeights === null || riders.length === 1)
    return share(model, riders, isStack, pass);
  const mostPending = model.ops.kernel.workers + 1;
  const weights = new RereadWeights(model.weights, keepWeights, mostPending);
  try {
    for (const rider of riders) {
      await pass(rider, { ...model, weights });
      collectShared();
    }
  } finally {
    await weights.close();
  }
}

async function share(
  model: Model,
  riders: readonly Rider[],
  together: boolean,
  ride: (rider: Rider, model: Model) => Promise<void>,
): Promise<void> {
  const most = together ? mostShared(model) : Number.POSITIVE_INFINITY;
  const shared = new SharedWeights(model.weights, riders.length, most);
  const start = async (rider: Rider, i: number) => {
    try {
      await ride(rider, { ...model, weights: shared.of(i) });
      shared.leave(i);
      collectShared(); // of its states and activations, before those of the next
    } catch (error) {
      shared.fail(error);
      throw error;
    }
  };
  if (!together) {
    for (const [i, rider] of riders.entries()) await start(rider, i);
    return;
  }
  const ended = await Promise.allSettled(riders.map(start));
  for (const result of ended) if (result.status === "rejected") throw result.reason;
}

/** A model, and the riders on it. */
export interface Ride {
  readonly model: Model;
  readonly riders: readonly Rider[];
  /** If given, riders go through experts one after the other (passAll). */
  readonly keepWeights?: KeepBytes | null;
}

export interface RideOptions {
  /** Called with the number of riders of a model that passed a block. */
  readonly progress?: (riders: number) => void;
  /** Called when all riders have passed a block. No rider goes on until it is done. */
  readonly onBlock?: ((layer: number) => Promise<void>) | undefined;
}

/** Takes riders through models of one architecture, block by block, in the order given. */
export async function rideAll(
  rides: readonly Ride[],
  { progress, onBlock }: RideOptions = {},
): Promise<void> {
  const { architecture, config } = rides[0]!.model;
  for (const { model, riders } of rides) await embedAll(model, riders);
  for (const [layer, kind] of architecture.layers(config).entries()) {
    for (const { model, riders, keepWeights } of rides) {
      await passAll(model, riders, { layer, kind }, keepWeights);
      progress?.(riders.length);
    }
    await onBlock?.(layer);
  }
}

/** A pass has workers + 1 experts in progress, with at most three matrices each. */
function mostShared({ ops }: Model): number {
  return 2 * 3 * (ops.kernel.workers + 1);
}
