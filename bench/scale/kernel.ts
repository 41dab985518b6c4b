import { BroadcastChannel } from "node:worker_threads";
import type { Kernel } from "../../src/kernel/kernel-types.ts";
import type { AnswerOf, JobOf, RoutineName } from "../../src/kernel/routines.ts";

/**
 * What the jobs of one kind took. Jobs are of one kind if block, routine and sizes are the same.
 */
export interface JobKind {
  /** `mamba`, `attention`, `moe`, `mlp`, or `outer`: outside the blocks. */
  readonly block: string;
  readonly routine: string;
  /** Sizes and widths, as text. */
  readonly sizes: string;
  /** Jobs that were asked for, and those that were computed. */
  asked: number;
  computed: number;
  /** Thread CPU time and wall time of those computed, in ms. */
  cpu: number;
  wall: number;
}

/** Routines whose time depends on the sizes alone. */
const repetitive: ReadonlySet<string> = new Set(["tune", "forecast"]);
/** The same, of which a run for memory alone computes only some. */
const products: ReadonlySet<string> = new Set(["linear", "moments", "factorTile"]);
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
  block = "outer";
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
    const [key, kind] = this.#kindOf(name, job);
    kind.asked++;
    const first = this.#first.get(key);
    if (first !== undefined && kind.computed >= this.#options.most && this.#isLeftOut(name, job)) {
      if (name === "linear") writeConstant(job as JobOf<"linear">);
      if (name === "tune") writeZeros(job as JobOf<"tune">);
      return first as Promise<AnswerOf<N>>;
    }
    kind.computed++;
    const answer = this.#kernel.run(name, { ...job, key });
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

  #kindOf(routine: string, job: object): [string, JobKind] {
    const sizes = sizesOf(job);
    const key = `${this.block} ${routine} ${sizes}`;
    const fresh = { routine, sizes, block: this.block, asked: 0, computed: 0, cpu: 0, wall: 0 };
    const kind = this.kinds.get(key) ?? fresh;
    this.kinds.set(key, kind);
    return [key, kind];
  }

  #add({ name, key, cpu, wall }: Measured): void {
    const known = key === undefined ? undefined : this.kinds.get(key);
    const [, kind] = known === undefined ? this.#kindOf(name, {}) : ["", known];
    // The kernel's own calls (quantize, dequantize, cast) have no key.
    if (known === undefined) kind.asked = ++kind.computed;
    kind.cpu += cpu;
    kind.wall += wall;
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
  readonly key?: string;
  readonly cpu: number;
  readonly wall: number;
}

/** Head groups of similar size take similar time, so row counts are rounded up. */
const rowsApart = 256;

/** Columns, rows and widths of a job, so that jobs of equal text take about the same time. */
function sizesOf(job: object): string {
  const { rows, columns, d, weight, x, bits, sweeps, widths, tasks } = job as Sizes;
  const height = typeof rows === "number" ? rows : (x?.rows ?? 0);
  const each = tasks ?? widths ?? (bits === undefined ? [] : [{ bits }]);
  return [
    `${Math.ceil(height / rowsApart) * rowsApart}x${columns ?? weight?.columns ?? d ?? x?.columns ?? 0}`,
    ...(weight === undefined ? [] : [`to ${weight.rows}`]),
    ...each.map((one) => `${one.bits}b`),
    ...(sweeps === 0 ? ["no sweeps"] : []),
  ].join(" ");
}

interface Sizes {
  readonly rows?: unknown;
  readonly columns?: number;
  readonly d?: number;
  readonly weight?: { readonly rows: number; readonly columns: number };
  readonly x?: { readonly rows: number; readonly columns: number };
  readonly bits?: number;
  readonly sweeps?: number;
  readonly widths?: readonly { readonly bits: number }[];
  readonly tasks?: readonly { readonly bits: number }[];
}
