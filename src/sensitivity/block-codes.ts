import { Pending } from "../ground/pending.ts";
import type { Weight } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { BlockPlace } from "../models/rider.ts";
import type { Model } from "../models/run.ts";
import { decodeMatrix, type TunedRows } from "../quantize/tuned-rows.ts";
import type { TuningTools } from "../quantize/tuning-tools.ts";

interface Entry {
  readonly parts: Pending<readonly TunedRows[]>;
  /** In float32, from the first request on. */
  matrix: Promise<Weight> | null;
  requests: number;
}

/**
 * The codes of one block's tensors at the probe's width. A request for a matrix waits until its
 * codes are made. After the last request it is freed.
 */
export class BlockCodes {
  readonly #tools: TuningTools;
  readonly #tensors: ReadonlyMap<string, PlannedTensor>;
  readonly #users: (role: string) => number;
  /** By role and expert. */
  readonly #entries = new Map<string, Entry>();
  #failure: { readonly error: unknown } | null = null;

  /** `tensors`: the quantizable ones of the block. `users`: how often each of them is asked for. */
  constructor(
    tools: TuningTools,
    tensors: readonly PlannedTensor[],
    users: (role: string) => number,
  ) {
    this.#tools = tools;
    this.#tensors = new Map(tensors.map((tensor) => [tensor.role.role, tensor]));
    this.#users = users;
  }

  add(role: string, expert: number, parts: readonly TunedRows[]): void {
    this.#entry(role, expert).parts.resolve(parts);
  }

  /** Ends the waiting: no more codes will be found. */
  fail(error: unknown): void {
    this.#failure = { error };
    for (const { parts } of this.#entries.values()) parts.reject(error);
  }

  /** The model with these matrices where `replaces(role)`. */
  replaceIn(model: Model, place: BlockPlace, replaces: (role: string) => boolean): Model {
    const { weights } = model;
    return {
      ...model,
      weights: {
        ...weights,
        matrix: async (layer, role, expert, range) => {
          // Its own is asked for too, because all who share the model's weights must have had it.
          const own = await weights.matrix(layer, role, expert, range);
          const isReplaced = layer === place.layer && this.#tensors.has(role) && replaces(role);
          return isReplaced ? this.#matrix(role, expert) : own;
        },
      },
    };
  }

  async #matrix(role: string, expert = 0): Promise<Weight> {
    const entry = this.#entry(role, expert);
    entry.matrix ??= this.#decode(role, entry);
    const matrix = await entry.matrix;
    entry.requests++;
    if (entry.requests === this.#users(role)) this.#entries.delete(`${role} ${expert}`);
    return matrix;
  }

  async #decode(role: string, { parts }: Entry): Promise<Weight> {
    const { kernel, storage: store } = this.#tools;
    const columns = this.#tensors.get(role)!.shape.at(-1)!;
    return decodeMatrix(kernel, await parts.promise, { columns, store });
  }

  #entry(role: string, expert: number): Entry {
    const key = `${role} ${expert}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { parts: new Pending(), matrix: null, requests: 0 };
      if (this.#failure !== null) entry.parts.reject(this.#failure.error);
      this.#entries.set(key, entry);
    }
    return entry;
  }
}
