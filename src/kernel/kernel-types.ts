import type { FloatDtype } from "./dtype.ts";
import type { AnswerOf, JobOf, RoutineName } from "./routines.ts";
import type { Bits, GroupSize, Rounding } from "./width.ts";

/** Quantize one tile of a matrix at several widths in one visit of its bytes. Operands are host memory; nothing is shared mutably. */
export interface QuantizeJob {
  /** Row-major little-endian elements of the base, `[rows, columns]` in `from`. Over a SharedArrayBuffer, or copied into one. */
  readonly weights: Uint8Array;
  readonly from: FloatDtype;
  readonly rows: number;
  /** A multiple of every group size asked for. */
  readonly columns: number;
  /** Dtype of scales and biases as stored. */
  readonly store: FloatDtype;
  readonly rounding: Rounding;
  readonly widths: readonly { readonly bits: Bits; readonly groupSize: GroupSize }[];
}

/** One width's share of a QuantizeJob's answer. Byte views over SharedArrayBuffers, little-endian, ready to be written to a file. */
export interface QuantizedTile {
  readonly bits: Bits;
  readonly groupSize: GroupSize;
  /** U32 `[rows, columns * bits / 32]` */
  readonly words: Uint8Array;
  /** `store` `[rows, columns / groupSize]` */
  readonly scales: Uint8Array;
  /** `store` `[rows, columns / groupSize]` */
  readonly biases: Uint8Array;
  /** Sum over the tile of (w - ŵ)², ŵ from the values as stored: accurate to a millionth of itself, rows added up in order. */
  readonly squaredError: number;
}

export interface QuantizeResult {
  readonly tiles: readonly QuantizedTile[];
  /** Sum over the tile of w²: as accurate, rows added up in order. */
  readonly energy: number;
  /** NaN and ±Inf elements met, in the base or (rule mlx) through the cast to `store`. Any at all make the base unusable; the caller names the tensor. */
  readonly nonFinite: number;
  /** Lets later jobs use the buffers again: call it when the tiles' bytes are written, and do not look at them afterwards. */
  release(): void;
}

/** Inverse of QuantizeJob for one width: codes × scale + bias in float32 (product rounded, then sum rounded). */
export interface DequantizeJob {
  readonly words: Uint8Array;
  readonly scales: Uint8Array;
  readonly biases: Uint8Array;
  readonly store: FloatDtype;
  readonly rows: number;
  readonly columns: number;
  readonly bits: Bits;
  readonly groupSize: GroupSize;
}

/** Change of float dtype, round to nearest even (NaN stays NaN). `weights` as in QuantizeJob, any shape. */
export interface CastJob {
  readonly weights: Uint8Array;
  readonly from: FloatDtype;
  readonly to: FloatDtype;
}

export interface CastResult {
  /** Over a SharedArrayBuffer, little-endian, in `to`. */
  readonly bytes: Uint8Array;
  /** NaN and ±Inf among the results, whether they were there before or the narrower range made them. */
  readonly nonFinite: number;
}

/**
 * The WebAssembly kernel behind a pool of Node workers, each with a private instance. Jobs run in any order; every promise
 * resolves with its own job's answer, and the answer never depends on the number of workers.
 */
export interface Kernel {
  readonly workers: number;
  /** SHA-256 of the .wasm, for the receipt. */
  readonly sha256: string;
  quantize(job: QuantizeJob): Promise<QuantizeResult>;
  /** float32 `[rows, columns]` */
  dequantize(job: DequantizeJob): Promise<Float32Array>;
  cast(job: CastJob): Promise<CastResult>;
  /** Any of the routines by name. Throws INTERNAL for operands that contradict each other, KERNEL for a trap. */
  run<N extends RoutineName>(name: N, job: JobOf<N>): Promise<AnswerOf<N>>;
  /** Ends the workers; jobs under way reject with KERNEL. */
  close(): Promise<void>;
}
