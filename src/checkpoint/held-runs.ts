import { pieces } from "../ground/pieces.ts";

/** Bytes that are kept outside of memory. */
export interface OutsideBytes {
  read(into: Uint8Array): Promise<void>;
  drop(): Promise<void>;
}

/** A place for bytes outside of memory. */
export interface Outside {
  /** Keeps bytes, which do not change until the promise settles. May fail: the bytes are lost. */
  keep(bytes: Uint8Array): Promise<OutsideBytes>;
  /** Bytes that may be there at the same time. */
  readonly most: number;
}

/** A file that is hashed in the order of its bytes. */
export interface InOrder {
  /** Where the next byte to hash is. */
  readonly cursor: number;
}

/** Bytes of a file, `[start, end)`, that came before their turn. */
interface Run {
  readonly of: InOrder;
  readonly start: number;
  readonly end: number;
  readonly memory: Uint8Array | null;
  readonly outside: OutsideBytes | null;
}

/** Bytes in memory, of all files together. */
export const mostHeldInMemory = 32 << 20;
/** And outside of it. The experts of a block lie in the order of their names: 1, 10, 100, 11. */
export const mostHeldOutside = 4 * 2 ** 30;
/** A longer run is cut into parts of this size. */
const runBytes = 16 << 20;

/**
 * Keeps bytes that came before their turn: in memory up to a limit, else outside, if there is a
 * place. Where both are full, the runs furthest ahead of their turn are dropped, and must be read
 * again. So nothing here can fail a run.
 */
export class HeldRuns {
  readonly #runs = new Set<Run>();
  readonly #mostInMemory: number;
  #inMemory = 0;
  #outside: Outside | null = null;
  #bytesOutside = 0;

  constructor(mostInMemory = mostHeldInMemory) {
    this.#mostInMemory = mostInMemory;
  }

  /** Names the place outside of memory. null: there is none any more. */
  useOutside(outside: Outside | null): void {
    for (const run of this.#runs) if (run.outside !== null) this.#remove(run);
    this.#outside = outside;
  }

  /** Keeps bytes of a file from `start` on, as far as there is room. */
  async hold(of: InOrder, start: number, bytes: Uint8Array): Promise<void> {
    for (const [from, to] of pieces(bytes.length, runBytes))
      await this.#holdOne(of, start + from, bytes.subarray(from, to));
  }

  async #holdOne(of: InOrder, start: number, bytes: Uint8Array): Promise<void> {
    const run = { of, start, end: start + bytes.length };
    const place = this.#outside;
    const fits = this.#inMemory + bytes.length <= this.#mostInMemory;
    if (!fits && !this.#makeRoom(run, place)) return;
    if (fits || place === null) {
      this.#inMemory += bytes.length;
      this.#runs.add({ ...run, memory: Buffer.from(bytes), outside: null });
      return;
    }
    this.#bytesOutside += bytes.length;
    const outside = await place.keep(bytes).catch(() => null);
    if (outside !== null) this.#runs.add({ ...run, memory: null, outside });
    else {
      this.#bytesOutside -= bytes.length;
      this.#outside = null; // it is full, or may not be used
    }
  }

  /** Drops runs that are further ahead than this one, until it has room: outside, if there is. */
  #makeRoom(run: Pick<Run, "of" | "start" | "end">, place: Outside | null): boolean {
    const size = run.end - run.start;
    const hasRoom = () =>
      place === null
        ? this.#inMemory + size <= this.#mostInMemory
        : this.#bytesOutside + size <= place.most;
    while (!hasRoom()) {
      const last = [...this.#runs]
        .filter(({ outside }) => (outside === null) === (place === null))
        .reduce((a: Run | null, b) => (a === null || ahead(b) > ahead(a) ? b : a), null);
      if (last === null || ahead(last) <= ahead(run)) return false;
      this.#remove(last);
    }
    return true;
  }

  #remove(run: Run): void {
    if (!this.#runs.delete(run)) return;
    const size = run.end - run.start;
    if (run.outside === null) this.#inMemory -= size;
    else {
      this.#bytesOutside -= size;
      run.outside.drop().catch(() => {}); // its folder is removed at the end
    }
  }

  /** The bytes from the cursor on that are held; null: none. They are no longer held. */
  async take(of: InOrder): Promise<Uint8Array | null> {
    for (const run of this.#runs) if (run.of === of && run.end <= of.cursor) this.#remove(run);
    const run = [...this.#runs].find((one) => one.of === of && one.start <= of.cursor);
    if (run === undefined) return null;
    const { cursor } = of;
    const bytes = await bytesOf(run);
    this.#remove(run);
    return bytes?.subarray(cursor - run.start) ?? null;
  }

  /** Where the first held run behind the cursor starts; null: nothing is held. */
  next(of: InOrder): number | null {
    const starts = [...this.#runs].filter((run) => run.of === of).map(({ start }) => start);
    return starts.length === 0 ? null : starts.reduce((a, b) => Math.min(a, b));
  }

  /** Drops all runs of a file. */
  forget(of: InOrder): void {
    for (const run of this.#runs) if (run.of === of) this.#remove(run);
  }
}

/** How many bytes come before the turn of a run. */
function ahead({ of, start }: Pick<Run, "of" | "start">): number {
  return start - of.cursor;
}

/** null: they can no longer be read, and are dropped. */
async function bytesOf(run: Run): Promise<Uint8Array | null> {
  if (run.memory !== null) return run.memory;
  const bytes = new Uint8Array(run.end - run.start);
  const read = await run.outside!.read(bytes).then(
    () => true,
    () => false,
  );
  return read ? bytes : null;
}
