import { countShared } from "./collect.ts";

/** Buffer sizes are multiples of this, so that jobs of similar size can reuse one buffer. */
const granule = 1 << 20;
/** Larger buffers are not kept: they are the largest of all memory, and few. */
export const largestSpare = 256 << 20;

/**
 * A pool of shared buffers that jobs borrow. Without reuse, every job would leave its operands to
 * two garbage collectors (the caller's and the worker's), and hundreds of megabytes would add up
 * before they run.
 */
export class Leases {
  readonly #spare: SharedArrayBuffer[] = [];

  /**
   * The smallest free buffer of at least `bytes`, or a new one. It may hold data of an earlier job.
   */
  take(bytes: number): SharedArrayBuffer {
    const fitting = this.#spare.filter((buffer) => buffer.byteLength >= bytes);
    const best = fitting.sort((a, b) => a.byteLength - b.byteLength)[0];
    if (best === undefined) {
      const size = Math.ceil(bytes / granule) * granule;
      countShared(size);
      return new SharedArrayBuffer(size);
    }
    this.#spare.splice(this.#spare.indexOf(best), 1);
    return best;
  }

  /**
   * Returns a buffer to the pool. Only the `most` largest free buffers of up to `largestSpare`
   * bytes stay in the pool; they can serve any job.
   */
  give(buffer: SharedArrayBuffer, most: number): void {
    if (buffer.byteLength > largestSpare) return;
    this.#spare.push(buffer);
    if (this.#spare.length <= most) return;
    this.#spare.sort((a, b) => a.byteLength - b.byteLength).shift();
  }

  /** Forgets all free buffers. For the end of a step whose sizes the next one does not have. */
  clear(): void {
    this.#spare.length = 0;
  }
}

/** Plans byte ranges of one buffer, each at the start of a cache line. */
export class Cutter {
  size = 0;

  place(bytes: number): (buffer: SharedArrayBuffer) => Uint8Array<SharedArrayBuffer> {
    const offset = this.size;
    this.size = Math.ceil((offset + bytes) / 64) * 64;
    return (buffer) => new Uint8Array(buffer, offset, bytes);
  }
}
