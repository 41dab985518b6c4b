import type { Packed } from "./packed.ts";
import type { CastJob } from "./routines/cast.ts";
import type { PackedRows } from "./routines/dequantize.ts";
import type { QuantizeRows } from "./routines/quantize.ts";
import type { AnswerOf, JobOf, RoutineName } from "./routines.ts";
import type { Width } from "./width.ts";

/** Rows at one width. Its bytes lie over SharedArrayBuffers, ready to be written to a file. */
export interface QuantizedRows extends Packed, Width {
  /** Σ (w - ŵ)² over the rows, ŵ from the values as stored. */
  readonly squaredError: number;
}

export interface QuantizeResult {
  /** In the order of the widths asked for. */
  readonly byWidth: readonly QuantizedRows[];
  /** Σ w² over the rows. */
  readonly energy: number;
  /** NaN and ±Inf elements. With any the base is unusable; the caller names the tensor. */
  readonly nonFinite: number;
  /**
   * Lets later jobs reuse the buffers. Call it once the bytes are written; do not read them later.
   */
  release(): void;
}

export interface CastResult {
  /** Little-endian, in the new dtype. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** NaN and ±Inf among the results. */
  readonly nonFinite: number;
}

/**
 * The WebAssembly kernel behind a pool of worker threads, each with a private instance. Jobs run in
 * any order. Every promise resolves with its own job's answer, which never depends on the number of
 * workers. Throws INTERNAL for operands that contradict each other, KERNEL for a trap.
 */
export interface Kernel {
  readonly workers: number;
  /** SHA-256 of the .wasm, for the receipt. */
  readonly sha256: string;
  /** Any routine by name. The job's arrays lie over SharedArrayBuffers. */
  run<N extends RoutineName>(name: N, job: JobOf<N>): Promise<AnswerOf<N>>;
  /** `run("quantize")` into buffers of the kernel's own. Weights in other memory are copied. */
  quantize(rows: QuantizeRows): Promise<QuantizeResult>;
  /** `run("dequantize")` into new memory: float32 `[rows, columns]`. */
  dequantize(rows: PackedRows): Promise<Float32Array<SharedArrayBuffer>>;
  /** `run("cast")` into new memory. */
  cast(job: Omit<CastJob, "out">): Promise<CastResult>;
  /** Ends the workers. Jobs under way reject with KERNEL. */
  close(): Promise<void>;
}
