import { sharedBytes, type Weight } from "../kernel/matrix.ts";
import type { WeightSource } from "./run.ts";

type Bytes = Uint8Array<SharedArrayBuffer>;

/** Bytes in a file. */
export interface KeptBytes {
  /** Fills `into` with those from `from` (default 0) on, as often as they are asked for. */
  read(into: Bytes, from?: number): Promise<void>;
  drop(): Promise<void>;
}

/** Keeps bytes outside of memory. They must not change until the promise settles. */
export type KeepBytes = (bytes: Bytes) => Promise<KeptBytes>;

interface Entry {
  readonly weight: Omit<Weight, "bytes">;
  readonly length: number;
  readonly kept: Promise<KeptBytes>;
}

/**
 * Weights for passes that go one after another. The first that asks for a matrix reads it, the
 * others get it from where it is kept. So the source is read once, and only the activations of one
 * pass are in memory. To be closed when all have passed.
 */
export class RereadWeights implements WeightSource {
  readonly #source: WeightSource;
  readonly #keep: KeepBytes;
  readonly #entries = new Map<string, Promise<Entry>>();

  constructor(source: WeightSource, keep: KeepBytes) {
    this.#source = source;
    this.#keep = keep;
  }

  unquantized: WeightSource["unquantized"] = (layer, role) => this.#source.unquantized(layer, role);

  matrix: WeightSource["matrix"] = async (layer, role, expert, range) => {
    const key = `${layer} ${role} ${expert ?? 0} ${range ?? ""}`;
    const known = this.#entries.get(key);
    if (known !== undefined) {
      const { weight, length, kept } = await known;
      const bytes = sharedBytes(length);
      await (await kept).read(bytes);
      return { ...weight, bytes };
    }
    const read = this.#source.matrix(layer, role, expert, range);
    const entry = read.then(({ bytes, ...weight }) => {
      const kept = this.#keep(bytes);
      kept.catch(() => {}); // the next that asks for it gets the failure
      return { weight, length: bytes.length, kept };
    });
    entry.catch(() => {});
    this.#entries.set(key, entry);
    return read;
  };

  async close(): Promise<void> {
    const entries = await Promise.allSettled(this.#entries.values());
    for (const one of entries)
      if (one.status === "fulfilled")
        await one.value.kept.then((kept) => kept.drop()).catch(() => {});
  }
}
