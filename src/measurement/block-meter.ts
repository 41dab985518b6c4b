import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Leases } from "../kernel/lease.ts";
import type { Matrix, Weight } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import type { LayerKind } from "../models/architecture.ts";
import { tensor } from "../models/blocks.ts";
import type { BlockContext, LinearOptions } from "../models/forward.ts";
import type { Ops } from "../models/ops.ts";
import type { Routing } from "../models/routing.ts";
import type { WeightSource } from "../models/run.ts";
import { modulePath } from "../quant/format.ts";
import type { Hessian } from "../quant/hessian.ts";
import { InputHessians } from "../quant/input-hessians.ts";
import { measuredBits } from "../quant/measurement-types.ts";
import type { PlannedTensor } from "../quant/plan-types.ts";
import { tierGroupSize } from "../quant/tiers.ts";
import { tuneMatrix } from "../quant/tune-matrix.ts";
import { copyOf, type TunedRows } from "../quant/tuned-rows.ts";
import type { TuningSettings } from "../quant/tuning-settings.ts";
import type { LossTable } from "./loss-table.ts";

/** What all places of a measuring walk share. */
export interface MeterWalk {
  readonly kernel: Kernel;
  readonly ops: Ops;
  readonly config: ModelConfig;
  readonly weights: WeightSource;
  readonly settings: TuningSettings;
  /** Dtype of scales and biases. */
  readonly storage: FloatDtype;
  readonly sequenceLength: number;
  readonly losses: LossTable;
  readonly hessianBuffers: Leases;
  readonly resultBuffers: Leases;
  /** Whether a matrix is of the sample that is really tuned at every width. */
  readonly isSampled: (tensor: PlannedTensor, expert: number) => boolean;
  /** Rows of an input that are not finite. */
  readonly drop: (rows: number, where: string) => void;
}

export const widths: readonly Width[] = measuredBits.map((bits) => ({ bits, groupSize: tierGroupSize }));
/** The width that tensors are probed at: that of the smallest tier, whose errors stand out most. */
export const probeWidth: Width = widths.find(({ bits }) => bits === 4)!;

/**
 * A block while it is measured: gathers the Hessian of every input, forecasts what each width would lose, tunes at the probe's width
 * and keeps those codes for the probes. Its own activations go on with the weights as they are.
 */
export class BlockMeter implements BlockContext {
  readonly config: ModelConfig;
  readonly ops: Ops;
  readonly sequenceLength: number;
  readonly wantsNear: boolean;
  readonly layer: number;
  readonly kind: LayerKind;
  readonly #walk: MeterWalk;
  readonly #tensors: ReadonlyMap<string, PlannedTensor>;
  readonly #hessians: InputHessians;
  /** Role and expert -> codes at the probe's width. */
  readonly #probes = new Map<string, readonly TunedRows[]>();

  /** `tensors`: the quantizable ones of the block. */
  constructor(walk: MeterWalk, tensors: readonly PlannedTensor[], place: { layer: number; kind: LayerKind }) {
    this.#walk = walk;
    this.#tensors = new Map(tensors.map((tensor) => [tensor.role.role, tensor]));
    this.config = walk.config;
    this.ops = walk.ops;
    this.sequenceLength = walk.sequenceLength;
    this.wantsNear = walk.settings.nearWeight > 0;
    this.layer = place.layer;
    this.kind = place.kind;
    this.#hessians = new InputHessians({
      kernel: walk.kernel,
      settings: walk.settings,
      buffers: walk.hessianBuffers,
      quantized: tensors,
      watch: { drop: (rows, fedBy) => walk.drop(rows, `layer ${place.layer}, ${fedBy}`), route: () => {} },
    });
  }

  kept(role: string): Promise<Float32Array<SharedArrayBuffer> | null> {
    return this.#walk.weights.kept(this.layer, role);
  }

  pool(fedBy: string, x: Matrix): Promise<void> {
    return this.#hessians.pool(fedBy, x);
  }

  close(): Promise<void> {
    return this.#hessians.close();
  }

  router(): Promise<Float32Array<SharedArrayBuffer>> {
    return tensor(this, "router");
  }

  routes(own: Routing): Routing {
    return own;
  }

  rows(role: string, start: number, end: number): Promise<Weight> {
    return this.#walk.weights.matrix(this.layer, role, 0, [start, end]);
  }

  async linear(role: string, x: Matrix, options: LinearOptions = {}): Promise<Matrix> {
    return this.ops.linear(x, await this.weight(role, x, options), await this.kept(`${role}.bias`));
  }

  async weight(role: string, x: Matrix, options: LinearOptions = {}): Promise<Weight> {
    const whole = await this.#walk.weights.matrix(this.layer, role, options.expert);
    const tensor = this.#tensors.get(role);
    if (tensor === undefined) return whole;
    const shared = this.#hessians.share(tensor, x, options);
    const hessian = await shared.hessian;
    this.#probes.set(
      keyOf(role, options.expert),
      await measureMatrix(this.#walk, tensor, options.expert, whole, hessian),
    );
    shared.release(hessian);
    return whole;
  }

  /** The matrix as the probe has it; null where it is not quantizable. */
  async probe(role: string, expert?: number): Promise<Weight | null> {
    const parts = this.#probes.get(keyOf(role, expert));
    return parts === undefined ? null : decode(this.#walk, parts);
  }
}

function keyOf(role: string, expert?: number): string {
  return `${role} ${expert ?? 0}`;
}

/** Forecasts all widths, really tunes at the probe's (a sampled matrix at all), and gives the probe's codes. */
export async function measureMatrix(
  walk: MeterWalk,
  tensor: PlannedTensor,
  expert: number | undefined,
  whole: Weight,
  hessian: Hessian | null,
): Promise<readonly TunedRows[]> {
  const { kernel, settings, storage: store, losses } = walk;
  const { rows, columns, dtype, bytes } = whole;
  const factor = hessian?.factor ?? null;
  const order = factor === null ? null : hessian!.order;
  const job = { weights: bytes, from: dtype, rows, columns, store, factor, order, widths };
  const forecast = await kernel.run("forecast", { ...job, diagonal: hessian?.diagonal ?? null });
  const sampled = walk.isSampled(tensor, expert ?? 0);
  const tried = sampled ? widths : [probeWidth];
  const parts: TunedRows[] = [];
  const rowBytes = bytes.byteLength / rows;
  const read = async (start: number, end: number) => bytes.subarray(start * rowBytes, end * rowBytes);
  const options = { store, sweeps: settings.sweeps, buffers: walk.resultBuffers };
  const sums = await tuneMatrix(kernel, { rows, columns, dtype, read }, hessian, tried, options, async (part) => {
    if (part.width === probeWidth) parts.push(copyOf(part));
  });
  losses.add(modulePath(tensor), expert ?? 0, forecast, tried, sums);
  return parts;
}

/** Float32 of stored codes. */
export async function decode(walk: MeterWalk, parts: readonly TunedRows[]): Promise<Weight> {
  const { kernel, storage: store } = walk;
  const values: Float32Array[] = [];
  const groupSize = probeWidth.groupSize;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const first = parts[0]!;
  const columns = (first.words.byteLength * 8) / first.rows / first.width.bits;
  for (const { width, words, scales, biases, rows } of parts) {
    values.push(await kernel.dequantize({ words, scales, biases, store, rows, columns, bits: width.bits, groupSize }));
  }
  if (values.length === 1) return { bytes: bytesOf(values[0]!), dtype: "F32", rows, columns };
  const whole = new Float32Array(new SharedArrayBuffer(4 * rows * columns));
  for (const [i, part] of parts.entries()) whole.set(values[i]!, part.start * columns);
  return { bytes: bytesOf(whole), dtype: "F32", rows, columns };
}

function bytesOf(values: Float32Array): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(values.buffer as SharedArrayBuffer, values.byteOffset, values.byteLength);
}
