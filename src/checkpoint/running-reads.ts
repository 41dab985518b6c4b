/**
 * Reads of a file that run at the same time. What follows a read waits until it is done for the
 * reads of earlier bytes that began before it. So bytes are used in their order where they are
 * asked for in their order.
 */
export class RunningReads {
  readonly #running = new Set<{ readonly start: number; readonly done: Promise<unknown> }>();

  /** Gives what `use` makes of the bytes that are read from `start` on. */
  add<T>(start: number, reading: Promise<T>, use: (bytes: T) => Promise<T>): Promise<T> {
    const earlier = [...this.#running].filter((one) => one.start < start);
    const used = (async () => {
      const bytes = await reading;
      await Promise.all(earlier.map(({ done }) => done));
      return use(bytes);
    })();
    const entry = { start, done: used.catch(() => {}) }; // a failure is that of its own reader
    this.#running.add(entry);
    entry.done.then(() => this.#running.delete(entry));
    return used;
  }
}
