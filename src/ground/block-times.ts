import { duration } from "./digits.ts";

/** Seconds below which a time says nothing. */
const shortest = { block: 1, left: 60 };

/** Times of the blocks of a walk, for the line behind each block. */
export class BlockTimes {
  readonly #blocks: number;
  readonly #now: () => number;
  #last: number;
  #layer = -1;
  #worked = { blocks: 0, seconds: 0 };

  /** `now`: milliseconds that never go back. */
  constructor(blocks: number, now: () => number = () => performance.now()) {
    this.#blocks = blocks;
    this.#now = now;
    this.#last = now();
  }

  /**
   * `block 8 of 52 (3 min; block 52 in about 2 h 10 min)`. `hasWorked`: whether the block was made.
   * A block that an earlier run made says nothing of the time of those to come. A layer that is not
   * behind the last one begins another walk.
   */
  behind(layer: number, hasWorked = true): string {
    const seconds = (this.#now() - this.#last) / 1000;
    this.#last = this.#now();
    if (layer <= this.#layer) this.#worked = { blocks: 0, seconds: 0 };
    this.#layer = layer;
    if (hasWorked) {
      this.#worked.blocks++;
      this.#worked.seconds += seconds;
    }
    const left = (this.#blocks - layer - 1) * (this.#worked.seconds / this.#worked.blocks);
    const times = [
      ...(seconds >= shortest.block ? [duration(seconds)] : []),
      ...(left >= shortest.left ? [`block ${this.#blocks} in about ${duration(left)}`] : []),
    ];
    const name = `block ${layer + 1} of ${this.#blocks}`;
    return times.length === 0 ? name : `${name} (${times.join("; ")})`;
  }
}
