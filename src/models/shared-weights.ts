import type { WeightSource } from "./run.ts";

/** A weight that some passes have read and others have not. */
interface Entry {
  readonly value: Promise<unknown>;
  readonly takers: Set<number>;
}

/**
 * Weights that several passes use at the same time. The first request reads a weight; after the
 * last one it is freed. `most` limits the matrices in memory, so a fast pass waits for a slow one.
 * The passes must ask in about the same order: no two may differ by `most` matrices.
 */
export class SharedWeights {
  readonly #source: WeightSource;
  /** The passes that have not left. */
  readonly #present: Set<number>;
  readonly #most: number;
  readonly #matrices = new Map<string, Entry>();
  readonly #unquantized = new Map<string, Entry>();
  #waiting: (() => void)[] = [];
  readonly #failures: unknown[] = [];

  constructor(source: WeightSource, passes: number, most: number) {
    this.#source = source;
    this.#present = new Set(Array(passes).keys());
    this.#most = most;
  }

  /** The weights for pass `number`, counted from 0. */
  of(number: number): WeightSource {
    return {
      unquantized: async (layer, role) => {
        const read = () => this.#source.unquantized(layer, role);
        return this.#take(this.#unquantized, `${layer} ${role}`, number, read);
      },
      matrix: async (layer, role, expert, range) => {
        const key = `${layer} ${role} ${expert ?? 0} ${range ?? ""}`;
        while (!this.#matrices.has(key) && this.#matrices.size >= this.#most)
          await this.#waitForPlace();
        const read = () => this.#source.matrix(layer, role, expert, range);
        return this.#take(this.#matrices, key, number, read);
      },
    };
  }

  /** Removes a pass. Frees the weights that every remaining pass has read. */
  leave(number: number): void {
    this.#present.delete(number);
    for (const entries of [this.#matrices, this.#unquantized])
      for (const [key, entry] of entries) if (this.#isTaken(entry)) entries.delete(key);
    this.#wake();
  }

  /** Ends the waiting of all passes. Called when one of them has failed. */
  fail(error: unknown): void {
    this.#failures.push(error);
    this.#wake();
  }

  /** Waits until a matrix is freed. Throws the failure of another pass. */
  async #waitForPlace(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.#failures.length > 0) resolve();
      else this.#waiting.push(resolve);
    });
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  #take<T>(
    entries: Map<string, Entry>,
    key: string,
    pass: number,
    read: () => Promise<T>,
  ): Promise<T> {
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = { value: read(), takers: new Set() };
      entries.set(key, entry);
    }
    entry.takers.add(pass);
    if (this.#isTaken(entry)) {
      entries.delete(key);
      this.#wake();
    }
    // Every entry with this key was made by the same kind of read.
    return entry.value as Promise<T>;
  }

  #isTaken({ takers }: Entry): boolean {
    return [...this.#present].every((pass) => takers.has(pass));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}
