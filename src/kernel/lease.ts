/**
 * Buffers come in multiples of this, so that tiles of about the same size can follow each other in
 * one.
 */
const granule = 1 << 20;

/**
 * Shared buffers that jobs take and give back. Without reuse every job would leave its operands to
 * two garbage collectors (ours and the worker's), which let hundreds of megabytes pile up before
 * they run.
 */
export class Leases {
  readonly #spare: SharedArrayBuffer[] = [];

  /**
   * The smallest spare buffer of at least `bytes`, else a new one. Its content is whatever the last
   * job left.
   */
  take(bytes: number): SharedArrayBuffer {
    const fitting = this.#spare.filter((buffer) => buffer.byteLength >= bytes);
    const best = fitting.sort((a, b) => a.byteLength - b.byteLength)[0];
    if (best === undefined) return new SharedArrayBuffer(Math.ceil(bytes / granule) * granule);
    this.#spare.splice(this.#spare.indexOf(best), 1);
    return best;
  }

  /** Takes a buffer back; keeps the `most` largest, which can serve any job that the others can. */
  give(buffer: SharedArrayBuffer, most: number): void {
    this.#spare.push(buffer);
    if (this.#spare.length <= most) return;
    this.#spare.sort((a, b) => a.byteLength - b.byteLength).shift();
  }
}

/** Cuts byte ranges off one buffer, each at its own cache line. */
export class Cutter {
  size = 0;

  place(bytes: number): (buffer: SharedArrayBuffer) => Uint8Array<SharedArrayBuffer> {
    const offset = this.size;
    this.size = Math.ceil((offset + bytes) / 64) * 64;
    return (buffer) => new Uint8Array(buffer, offset, bytes);
  }
}
