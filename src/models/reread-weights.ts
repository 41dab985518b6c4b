import { sharedBytes, type Weight } from "../kernel/matrix.ts";
import type { WeightSource } from "./run.ts";

type Bytes = Uint8Array<SharedArrayBuffer>;

/** Bytes in a file. */
export interface KeptBytes {
  /** Fills `into` with those from `from` (default 0) on, as often as they are asked for. */
  read(into: Uint8Array, from?: number): Promise<void>;
  drop(): Promise<void>;
}

/** Keeps bytes outside of memory. They must not change until the promise settles. */
export type KeepBytes = (bytes: Bytes) => Promise<KeptBytes>;

interface Entry {
  readonly weight: Omit<Weight, "bytes" | "codes">;
  readonly length: number;
  readonly kept: Promise<KeptBytes>;
}

/**
 * Weights for passes that go one after another. The first that asks for a matrix reads it, the
 * others get it from where it is kept. So the source is read once, and only the activations of one
 * pass are in memory. At most `mostPending` matrices are being kept at a time: a reader that is
 * faster waits. After a failure to keep one, every request throws that failure. To be closed when
 * all have passed.
 */
export class RereadWeights implements WeightSource {
  readonly #source: WeightSource;
  readonly #keep: KeepBytes;
  readonly #mostPending: number;
  readonly #entries = new Map<string, Promise<Entry>>();
  /** What is being kept. These promises never reject. */
  readonly #pending = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  constructor(source: WeightSource, keep: KeepBytes, mostPending: number) {
    this.#source = source;
    this.#keep = keep;
    this.#mostPending = mostPending;
  }

  unquantized: WeightSource["unquantized"] = (layer, role) => this.#source.unquantized(layer, role);

  matrix: WeightSource["matrix"] = async (layer, role, expert, range) => {
    this.#throwFailure();
    const key = `${layer} ${role} ${expert ?? 0} ${range ?? ""}`;
    const known = this.#entries.get(key);
    if (known !== undefined) {
      const { weight, length, kept } = await known;
      const bytes = sharedBytes(length);
      await (await kept).read(bytes);
      return { ...weight, bytes };
    }
    const read = this.#source.matrix(layer, role, expert, range);
    const entry = read.then((weight) => this.#startKeeping(weight));
    entry.catch(() => {}); // thrown below
    this.#entries.set(key, entry);
    await entry;
    return read;
  };

  /** Waits until a place is free. Keeps no codes: only tuning needs them, and it passes first. */
  async #startKeeping({ bytes, codes: _, ...weight }: Weight): Promise<Entry> {
    while (this.#pending.size >= this.#mostPending) await Promise.race(this.#pending);
    this.#throwFailure();
    const kept = this.#keep(bytes);
    const ended: Promise<void> = kept
      .then(
        () => {},
        (error) => void this.#failures.push(error),
      )
      .then(() => void this.#pending.delete(ended));
    this.#pending.add(ended);
    return { weight, length: bytes.length, kept };
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async close(): Promise<void> {
    const entries = await Promise.allSettled(this.#entries.values());
    for (const one of entries)
      if (one.status === "fulfilled")
        await one.value.kept.then((kept) => kept.drop()).catch(() => {});
  }
}
