import { BroadcastChannel } from "node:worker_threads";
import type { Kernel } from "../../src/kernel/kernel-types.ts";
import type { AnswerOf, JobOf, RoutineName } from "../../src/kernel/routines.ts";
import {
  addJob,
  type JobKind,
  type JobPlace,
  nameOf,
  newKind,
  outside,
  routineOf,
  sizesOf,
} from "./job-kind.ts";

/** Routines whose time depends on the sizes alone. */
const repetitive: ReadonlySet<string> = new Set(["tune", "forecast"]);
/** The same, of which a run for memory alone computes only some. */
const products: ReadonlySet<string> = new Set(["linear", "moments", "factorTile", "compare"]);
/** Output rows of a router at most: what it chooses must not be the same for all tokens. */
const mostRouted = 512;

export interface WatchOptions {
  /** Jobs of a kind that are computed. */
  readonly most: number;
  /** Whether products are left out too, where a constant is written in place of their results. */
  readonly onlyMemory: boolean;
}

/**
 * A kernel that counts its jobs and what they take. Of the routines in `repetitive`, only the first
 * jobs of each kind are computed. The others return the first answer, and those that tune write
 * zeros. So a bench at true width takes minutes; the results have no meaning.
 */
export class WatchedKernel implements Kernel {
  readonly kinds = new Map<string, JobKind>();
  /** Set by the forward pass. All riders of a walk are in the same block. */
  place: JobPlace = outside;
  readonly #kernel: Kernel;
  readonly #options: WatchOptions;
  readonly #first = new Map<string, Promise<unknown>>();
  readonly #channel = new BroadcastChannel("oqe-kernel-jobs");

  constructor(kernel: Kernel, options: WatchOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.#channel.onmessage = (event) => this.#add((event as MessageEvent).data as Measured);
    (this.#channel as unknown as { unref(): void }).unref();
  }

  get workers(): number {
    return this.#kernel.workers;
  }

  get sha256(): string {
    return this.#kernel.sha256;
  }

  run<N extends RoutineName>(name: N, job: JobOf<N>): Promise<AnswerOf<N>> {
    const { key, kind, rows } = this.#kindOf(name, job);
    kind.asked++;
    const first = this.#first.get(key);
    if (first !== undefined && kind.computed >= this.#options.most && this.#isLeftOut(name, job)) {
      if (name === "linear") writeConstant(job as JobOf<"linear">);
      if (name === "tune") writeZeros(job as JobOf<"tune">);
      return first as Promise<AnswerOf<N>>;
    }
    kind.computed++;
    const answer = this.#kernel.run(name, { ...job, key: [key, rows] });
    if (first === undefined) this.#first.set(key, answer);
    return answer;
  }

  quantize: Kernel["quantize"] = (tile) => this.#kernel.quantize(tile);
  dequantize: Kernel["dequantize"] = (rows) => this.#kernel.dequantize(rows);
  cast: Kernel["cast"] = (job) => this.#kernel.cast(job);

  async close(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 200)); // the last jobs are still told
    this.#channel.close();
    await this.#kernel.close();
  }

  #isLeftOut(name: string, job: object): boolean {
    if (repetitive.has(name)) return true;
    const { weight } = job as { weight?: { rows: number } };
    return (
      this.#options.onlyMemory && products.has(name) && (weight?.rows ?? Infinity) > mostRouted
    );
  }

  #kindOf(name: string, job: object): { key: string; kind: JobKind; rows: number } {
    const routine = routineOf(name, job);
    const { rows, sizes } = sizesOf(routine, job);
    const key = `${nameOf(this.place)} ${routine} ${sizes}`;
    const kind = this.kinds.get(key) ?? newKind(this.place, routine, sizes);
    this.kinds.set(key, kind);
    return { key, kind, rows };
  }

  #add({ name, key = ["", 0], ...taken }: Measured): void {
    const known = this.kinds.get(key[0]);
    const { kind } = known === undefined ? this.#kindOf(name, {}) : { kind: known };
    // The kernel's own calls (quantize, dequantize, cast) have no key.
    if (known === undefined) kind.asked = ++kind.computed;
    addJob(kind, taken, key[1]);
  }
}

/** What the memory held before may be no numbers, which later stages refuse. */
function writeZeros({ out }: JobOf<"tune">): void {
  for (const { words, scales, biases, sums } of out)
    for (const part of [words, scales, biases, sums])
      Buffer.from(part.buffer, part.byteOffset, part.byteLength).fill(0);
}

/** Memory that nothing was written to does not count as resident. */
function writeConstant({ y, weight, left = 0 }: JobOf<"linear">): void {
  for (let row = 0; row < y.rows; row++) {
    const start = y.data.byteOffset + 4 * (row * y.columns + left);
    Buffer.from(y.data.buffer, start, 4 * weight.rows).fill(0x3c); // 0.0115 as float32
  }
}

interface Measured {
  readonly name: string;
  /** Of the kind, and the job's rows. */
  readonly key?: readonly [string, number];
  readonly cpu: number;
  readonly wall: number;
}
