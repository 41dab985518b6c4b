import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Leases } from "../kernel/lease.ts";
import type { Matrix, Weight } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { tensor } from "../models/blocks.ts";
import type { BlockContext, LinearOptions } from "../models/forward.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Ops } from "../models/ops.ts";
import type { Routing } from "../models/routing.ts";
import type { WeightSource } from "../models/run.ts";
import type { Hessian } from "../quantize/hessian.ts";
import { InputHessians } from "../quantize/input-hessians.ts";
import { tuneMatrix } from "../quantize/tune-matrix.ts";
import { copyOf, decodeRows, type TunedRows } from "../quantize/tuned-rows.ts";
import type { TuningSettings } from "../quantize/tuning-settings.ts";
import type { LossTable } from "./loss-table.ts";
import { probeWidth, widths } from "./probe-width.ts";

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
}

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
  constructor(
    walk: MeterWalk,
    tensors: readonly PlannedTensor[],
    place: { layer: number; kind: LayerKind },
  ) {
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
      watch: { drop: () => {}, route: () => {} }, // the tuning walk meets the same rows, and refuses too many
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

  router(role: string): Promise<Float32Array<SharedArrayBuffer>> {
    return tensor(this, role);
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
    if (parts === undefined) return null;
    const { kernel, storage: store } = this.#walk;
    const [rows, columns] = this.#tensors.get(role)!.shape.slice(-2) as [number, number];
    return decodeRows(kernel, parts, { rows, columns, store });
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
  const read = async (start: number, end: number) =>
    bytes.subarray(start * rowBytes, end * rowBytes);
  const options = { store, sweeps: settings.sweeps, buffers: walk.resultBuffers };
  const sums = await tuneMatrix(
    kernel,
    { rows, columns, dtype, read },
    hessian,
    tried,
    options,
    async (part) => {
      if (part.width === probeWidth) parts.push(copyOf(part));
    },
  );
  losses.add(modulePath(tensor), expert ?? 0, forecast, tried, sums);
  return parts;
}
