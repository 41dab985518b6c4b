import { columnsOf, memberRows } from "../base/base-rows.ts";
import { baseWeights, finiteWeights } from "../base/base-weights.ts";
import { nonFiniteWeights } from "../base/finite.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import { type Matrix, type Weight, weightRows } from "../kernel/matrix.ts";
import { distinct, modulePath, sameWidth } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { tensor } from "../models/blocks.ts";
import type { BlockContext, LinearOptions } from "../models/forward.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Ops } from "../models/ops.ts";
import type { Routing } from "../models/routing.ts";
import type { WeightSource } from "../models/run.ts";
import { tuneHeadRows } from "./head-tuner.ts";
import type { Hessian } from "./hessian.ts";
import { InputHessians } from "./input-hessians.ts";
import { errorAgainst, type ResidualRepair } from "./residual-repair.ts";
import { tableHessian } from "./table-hessian.ts";
import { tuneAimed } from "./tune-aimed.ts";
import { tuneMatrix } from "./tune-matrix.ts";
import type { TuneWalk } from "./tune-types.ts";
import { copyOf, decodeRows, type TunedRows, writeRows } from "./tuned-rows.ts";
import type { TuningSettings } from "./tuning-settings.ts";

/**
 * A place in the model while its tensors are tuned: a block, or the glue around the blocks. Gathers a Hessian from every input
 * before the weight is multiplied with it, tunes the weight for every plan, and answers with what later activations are to be made of.
 */
export class BlockTuner implements BlockContext {
  readonly config: ModelConfig;
  readonly ops: Ops;
  readonly sequenceLength: number;
  readonly wantsNear: boolean;
  readonly layer: number;
  readonly kind: LayerKind;
  readonly #walk: TuneWalk;
  readonly #tensors: ReadonlyMap<string, PlannedTensor>;
  /** The embeddings as a sequential walk stored them. */
  #table: Weight | null = null;
  readonly #hessians: InputHessians;
  readonly #weights: WeightSource;
  /** For what is used before it is tuned: what is not finite should be named, and not be met among activations. */
  readonly #finite: WeightSource;
  readonly #critical: ReadonlySet<number>;
  readonly #residual: ResidualRepair | null;

  /** `residual`: the base's own block beside this one; null: targets are the weights as they are. */
  constructor(
    walk: TuneWalk,
    tensors: readonly PlannedTensor[],
    place: { layer: number; kind: LayerKind },
    residual: ResidualRepair | null = null,
  ) {
    this.#walk = walk;
    this.#residual = residual;
    this.#tensors = new Map(tensors.map((tensor) => [tensor.role.role, tensor]));
    this.config = walk.request.base.config;
    this.ops = walk.ops;
    this.sequenceLength = walk.request.calibration.length;
    this.wantsNear = walk.request.settings.nearWeight > 0;
    this.layer = place.layer;
    this.kind = place.kind;
    const { ledger, hessianBuffers: buffers, request } = walk;
    this.#critical = request.critical.get(this.layer) ?? new Set();
    const tokens = request.calibration.ids.length;
    const where = (fedBy: string) => (this.layer < 0 ? fedBy : `layer ${this.layer}, ${fedBy}`);
    this.#weights = baseWeights(request.base, request.kernel);
    this.#finite = finiteWeights(request.base, request.kernel);
    this.#hessians = new InputHessians({
      kernel: request.kernel,
      settings: request.settings,
      buffers,
      quantized: tensors.filter((tensor) => this.#isQuantized(tensor)),
      critical: this.#critical,
      watch: {
        drop: (rows, fedBy) => ledger.drop(rows, tokens, where(fedBy)),
        route: (expert, x) => ledger.route(this.layer, expert, x),
      },
    });
  }

  async kept(role: string): Promise<Float32Array<SharedArrayBuffer> | null> {
    const tensor = this.#tensors.get(role);
    return tensor === undefined ? null : this.#weights.kept(tensor.layer, role);
  }

  pool(fedBy: string, x: Matrix): Promise<void> {
    return this.#hessians.pool(fedBy, x);
  }

  /** When the block is done. */
  close(): Promise<void> {
    return this.#hessians.close();
  }

  async router(role: string, x: Matrix): Promise<Float32Array<SharedArrayBuffer>> {
    const gate = await tensor(this, role);
    await this.#walk.routers?.see(this.layer, x, gate);
    return gate;
  }

  routes(own: Routing): Routing {
    this.#walk.routers?.choose(this.layer, own);
    return own;
  }

  async linear(role: string, x: Matrix, options: LinearOptions = {}): Promise<Matrix> {
    const weight = await this.weight(role, x, options);
    return this.ops.linear(x, weight, await this.kept(`${role}.bias`));
  }

  async rows(role: string, start: number, end: number): Promise<Weight> {
    const tensor = this.#tensors.get(role)!;
    if (this.#table !== null) return weightRows(this.#table, start, end);
    return this.#finite.matrix(tensor.layer, role, 0, [start, end]);
  }

  /** Tunes what is looked up and not multiplied. */
  async tuneTable(tensor: PlannedTensor): Promise<void> {
    const { request, hessianBuffers: buffers } = this.#walk;
    const { base, kernel, settings } = request;
    const hessian = await tableHessian({
      tensors: base.tensors,
      weights: this.#finite,
      kernel,
      settings,
      buffers,
    });
    this.#table = await this.#tune(tensor, 0, hessian);
    hessian?.release();
  }

  /** Tunes the head on what it multiplies; nobody waits for its product. */
  async tuneHead(tensor: PlannedTensor, x: Matrix): Promise<void> {
    const { request, plans, ledger } = this.#walk;
    const path = modulePath(tensor);
    const { rows, columns } = shapeOf(tensor);
    const head = await this.#finite.matrix(null, tensor.role.role);
    const widths = distinct(plans.map((plan) => request.plans[plan]!.modules[path]!));
    const seen = await this.#hessians.screen(x, "head.in");
    const { parts, sums, hessian } = await tuneHeadRows(this.#walk, head, seen, widths);
    for (const part of parts) await this.#write(path, 0, part);
    ledger.add(tensor, 0, hessian, widths, sums);
    request.progress(rows * columns * bytesPerElement[head.dtype]! * plans.length);
  }

  async weight(role: string, x: Matrix, options: LinearOptions = {}): Promise<Weight> {
    const tensor = this.#tensors.get(role)!;
    const expert = options.expert ?? 0;
    const { rows } = shapeOf(tensor);
    const whole = await this.#whole(tensor, expert, 0, rows);
    if (!this.#isQuantized(tensor)) return whole;
    const shared = this.#hessians.share(tensor, x, options);
    const hessian = await shared.hessian;
    const target = (await this.#residual?.target(tensor, whole, x, hessian)) ?? whole;
    const tuned = await this.#tune(
      tensor,
      expert,
      hessian,
      target,
      target === whole ? undefined : whole,
    );
    shared.release(hessian);
    return tuned ?? whole;
  }

  /**
   * Tunes one matrix for every plan and writes it; gives what a sequential walk goes on with. `hessian` null: all columns alike. `whole`: what it is
   * tuned towards, where that is in memory; `own`: the base's matrix, where that is something else.
   */
  async #tune(
    tensor: PlannedTensor,
    expert: number,
    hessian: Hessian | null,
    whole?: Weight,
    own?: Weight,
  ): Promise<Weight | null> {
    const { request, plans, sequential, ledger, resultBuffers, aim } = this.#walk;
    const { rows, columns } = shapeOf(tensor);
    const dtype = whole?.dtype ?? (tensor.dtype as FloatDtype);
    const path = modulePath(tensor);
    const widths = distinct(plans.map((plan) => request.plans[plan]!.modules[path]!));
    const read = async (start: number, end: number) =>
      whole === undefined
        ? (await this.#whole(tensor, expert, start, end)).bytes
        : weightRows(whole, start, end).bytes;
    const parts: TunedRows[] = [];
    const write = async (part: TunedRows) => {
      if (sequential) parts.push(copyOf(part));
      await this.#write(path, expert * rows, part);
    };
    const { storage: store, settings } = request;
    const times =
      tensor.role.routed === true && this.#critical.has(expert) ? settings.criticalSweeps : 1;
    const sweeps: TuningSettings["sweeps"] = (width) => times * settings.sweeps(width);
    const options = { store, sweeps, buffers: resultBuffers };
    const { kernel } = request;
    const blocks = whole && ((await aim?.blocksOf(tensor)) ?? null);
    const sums =
      whole && blocks
        ? await tuneAimed(kernel, whole, blocks, hessian, widths, options, write)
        : await tuneMatrix(kernel, { rows, columns, dtype, read }, hessian, widths, options, write);
    const { nonFinite } = sums[0]!;
    if (nonFinite > 0) {
      const seen = whole ?? (await this.#whole(tensor, expert, 0, rows));
      throw nonFiniteWeights({ tensor, member: expert, row: 0, values: seen }, nonFinite);
    }
    const made = sequential ? await decodeRows(kernel, parts, { rows, columns, store }) : null;
    const error = own && made && (await errorAgainst(this, own, made));
    ledger.add(
      tensor,
      expert,
      hessian,
      widths,
      error ? sums.map((sum) => ({ ...sum, ...error })) : sums,
    );
    request.progress(rows * columns * bytesPerElement[tensor.dtype]! * plans.length);
    return made;
  }

  /** Writes rows to all plans that want their width. */
  async #write(path: string, firstRow: number, part: TunedRows): Promise<void> {
    const { request, plans } = this.#walk;
    const wanted = plans.filter((plan) =>
      sameWidth(request.plans[plan]!.modules[path]!, part.width),
    );
    await Promise.all(wanted.map((plan) => writeRows(request.sinks[plan]!, path, firstRow, part)));
  }

  #isQuantized(tensor: PlannedTensor): boolean {
    return Object.hasOwn(this.#walk.request.plans[0]!.modules, modulePath(tensor));
  }

  #whole(tensor: PlannedTensor, expert: number, start: number, end: number): Promise<Weight> {
    return this.#weights.matrix(tensor.layer, tensor.role.role, expert, [start, end]);
  }
}

/** Of one base matrix, whether or not it will be stacked. */
function shapeOf(tensor: PlannedTensor): { rows: number; columns: number } {
  return { rows: memberRows(tensor), columns: columnsOf(tensor) };
}
