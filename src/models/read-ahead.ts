import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import { type PlannedTensor, projections, sublayers } from "./architecture.ts";
import type { WeightSource } from "./run.ts";

/** Bytes of weights, as they are in memory, that are read before they are asked for. */
export const mostAhead = 64 << 20;

/** Reads ahead at the same time. Each may have some pieces in flight. */
const readsAtOnce = 4;

/** One request of a walk through the blocks. */
interface Step {
  readonly key: string;
  readonly layer: number;
  /** As the weight is in memory. */
  readonly bytes: number;
  readonly read: () => Promise<unknown>;
}

interface Source {
  readonly weights: WeightSource;
  /** Those of a base. No others are read ahead. */
  readonly tensors: readonly PlannedTensor[];
}

/**
 * Reads weights of the blocks before a walk asks for them: the rest of its block and the first of
 * the next one, up to `most` bytes. The walk asks for each weight of a block once, block by block.
 * A failure is thrown when the weight is asked for. When `use` has ended, nothing is read any more.
 */
export async function withReadAhead<T>(
  source: Source,
  use: (weights: WeightSource) => Promise<T>,
  most = mostAhead,
): Promise<T> {
  const ahead = new ReadAhead(source, most);
  try {
    return await use(ahead);
  } finally {
    await ahead.close();
  }
}

class ReadAhead implements WeightSource {
  readonly #weights: WeightSource;
  readonly #most: number;
  readonly #steps: readonly Step[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #held = new Map<string, { readonly value: Promise<unknown>; readonly bytes: number }>();
  /** The block that the walk is in. */
  #layer = -1;
  /** The first step that this walk has neither asked for nor read ahead. */
  #next = 0;
  #bytes = 0;
  #running = 0;
  #ended = false;

  constructor({ weights, tensors }: Source, most: number) {
    this.#weights = weights;
    this.#most = most;
    this.#steps = stepsOf(weights, tensors);
    this.#places = new Map(this.#steps.map(({ key }, place) => [key, place]));
  }

  unquantized: WeightSource["unquantized"] = async (layer, role) => {
    const read = () => this.#weights.unquantized(layer, role);
    const place = this.#places.get(keyOf(layer, role));
    // Norms and routers are also asked for outside of walks.
    const isNear = layer !== null && (layer === this.#layer || layer === this.#layer + 1);
    return place === undefined || !isNear ? read() : this.#take(place, read);
  };

  matrix: WeightSource["matrix"] = async (layer, role, expert, range) => {
    const read = () => this.#weights.matrix(layer, role, expert, range);
    const place = range === undefined ? this.#places.get(keyOf(layer, role, expert)) : undefined;
    if (place === undefined) return read();
    // A block before the present one: another walk begins.
    if (this.#steps[place]!.layer < this.#layer) this.#next = place;
    return this.#take(place, read);
  };

  #take<T>(place: number, read: () => Promise<T>): Promise<T> {
    const { key, layer } = this.#steps[place]!;
    const held = this.#held.get(key);
    this.#held.delete(key);
    this.#bytes -= held?.bytes ?? 0;
    this.#layer = layer;
    if (held === undefined) this.#next = Math.max(this.#next, place + 1);
    // Every entry with this key was made by the same kind of read.
    const value = (held?.value as Promise<T> | undefined) ?? read();
    this.#readOn();
    return value;
  }

  #readOn(): void {
    while (!this.#ended && this.#running < readsAtOnce) {
      const step = this.#steps[this.#next];
      if (step === undefined || step.layer > this.#layer + 1) return;
      const isHeld = this.#held.has(step.key);
      if (!isHeld && this.#bytes + step.bytes > this.#most) return;
      this.#next++;
      if (!isHeld) this.#start(step);
    }
  }

  #start({ key, bytes, read }: Step): void {
    const value = read();
    this.#held.set(key, { value, bytes });
    this.#bytes += bytes;
    this.#running++;
    const end = () => {
      this.#running--;
      this.#readOn();
    };
    value.then(end, () => {
      this.#ended = true; // the walk will meet this failure
    });
  }

  async close(): Promise<void> {
    this.#ended = true;
    await Promise.allSettled([...this.#held.values()].map(({ value }) => value));
    this.#held.clear();
  }
}

function keyOf(layer: number | null, role: string, expert = 0): string {
  return `${layer} ${role} ${expert}`;
}

/** The weights of all blocks in about the order in which a forward pass asks for them. */
function stepsOf(weights: WeightSource, tensors: readonly PlannedTensor[]): readonly Step[] {
  const steps = tensors.flatMap((tensor): (Step & { readonly order: readonly number[] })[] => {
    const { layer, shape, dtype, sources } = tensor;
    if (layer === null) return [];
    const { role, treatment } = tensor.role;
    const values = shape.reduce((product, size) => product * size, 1);
    if (treatment === "unquantized") {
      const read = () => weights.unquantized(layer, role);
      return [{ key: keyOf(layer, role), layer, bytes: 4 * values, read, order: [layer, -1] }];
    }
    const bytes = (values / sources.length) * bytesPerElement[dtype as FloatDtype];
    return sources.map((_, expert) => {
      const read = () => weights.matrix(layer, role, expert);
      const order = [layer, ...orderOf(tensor, expert)];
      return { key: keyOf(layer, role, expert), layer, bytes, read, order };
    });
  });
  return steps.sort((one, other) => compare(one.order, other.order));
}

/** Mixer before MLP; what experts read, expert by expert, then what all tokens visit. */
function orderOf({ role: { part, projection, routed } }: PlannedTensor, expert: number): number[] {
  const sublayer = part === null || sublayers[part] === "mixer" ? 0 : 1;
  const rank = projection === "in" ? 0 : routed === true ? 1 : 2;
  return [sublayer, rank, expert, projection === null ? 0 : projections.indexOf(projection)];
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, i) => value !== other[i]);
  return at === -1 ? 0 : one[at]! - (other[at] ?? 0);
}
