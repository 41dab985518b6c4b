import { nonFiniteWeights } from "../base/finite.ts";
import type { Report } from "../ground/report.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { inOrder } from "../kernel/in-order.ts";
import type { Kernel, QuantizeResult } from "../kernel/kernel-types.ts";
import { Leases } from "../kernel/lease.ts";
import type { Rounding, Width } from "../kernel/width.ts";
import { distinct, elements, keptDtype, modulePath, sameWidth } from "../mlx/format.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { TierPlan } from "../plan/plan-types.ts";

/** Base bytes per job: large enough that a job's overhead vanishes, small enough that a dozen in flight are nothing. */
const tileBytes = 2 << 20;

export interface QuantizeRequest {
  /** Tensors of the MLX repo in order. */
  readonly tensors: readonly PlannedTensor[];
  /** Bytes `[offset, offset + length)` of a base tensor. */
  readonly read: (
    name: string,
    byteOffset: number,
    byteLength: number,
    into: Uint8Array,
  ) => Promise<Uint8Array>;
  readonly plans: readonly TierPlan[];
  /** One sink per plan, in the same order. */
  readonly sinks: readonly TierSink[];
  readonly storage: FloatDtype;
  readonly rounding: Rounding;
  readonly kernel: Kernel;
  readonly report: Report;
}

/** Relative squared weight error of each plan over its quantized tensors: sum (w - ŵ)² / sum w². */
export type QuantizeOutcome = readonly { readonly relativeError: number }[];

/** A row range of one base tensor, and where it lies in the stacked tensor of the MLX repo. */
interface Tile {
  readonly tensor: PlannedTensor;
  readonly source: string;
  /** First row within the source, and within the whole stack. */
  readonly row: number;
  readonly stackedRow: number;
  readonly rows: number;
}

/**
 * One walk over the base: every tile is read once, quantized at every width that some tier wants, and written to each
 * tier. Memory holds a few tiles; sums run in tile order, so neither workers nor timing change a byte or a digit.
 * Throws BAD_CHECKPOINT for non-finite weights.
 */
export async function quantizeSeries(request: QuantizeRequest): Promise<QuantizeOutcome> {
  const sums = request.plans.map(() => ({ error: 0, energy: 0 }));
  const total = request.tensors.reduce(
    (sum, tensor) => sum + elements(tensor.shape) * bytesPerElement[tensor.dtype]!,
    0,
  );
  let done = 0;
  const tiles = [...cutTiles(request.tensors)];
  const limit = request.kernel.workers + 2;
  const buffers = new Leases();
  const visit = async (tile: Tile) => {
    const bytes = tile.rows * rowBytes(tile.tensor);
    const buffer = buffers.take(bytes);
    const weights = new Uint8Array(buffer, 0, bytes);
    await request.read(tile.source, tile.row * rowBytes(tile.tensor), bytes, weights);
    const result = await quantizeTile(tile, weights, request);
    buffers.give(buffer, limit); // after a failure it is left alone: a dying worker may still look at it
    return { tile, result };
  };
  const results = inOrder(
    tiles.map((tile) => () => visit(tile)),
    limit,
  );
  for await (const { tile, result } of results) {
    done += tile.rows * rowBytes(tile.tensor);
    request.report.tick(done, total, "bytes");
    if (result === null) continue;
    for (const [index, plan] of request.plans.entries()) {
      const width = plan.modules[modulePath(tile.tensor)]!;
      sums[index]!.error += tileOf(result, width).squaredError;
      sums[index]!.energy += result.energy;
    }
  }
  return sums.map(({ error, energy }) => ({ relativeError: energy === 0 ? 0 : error / energy }));
}

function* cutTiles(tensors: readonly PlannedTensor[]): Generator<Tile> {
  for (const tensor of tensors) {
    const rowsPerSource = elements(tensor.shape.slice(0, -1)) / tensor.sources.length;
    const rowsPerTile = Math.max(1, Math.floor(tileBytes / rowBytes(tensor)));
    for (const [e, source] of tensor.sources.entries()) {
      for (let row = 0; row < rowsPerSource; row += rowsPerTile) {
        const rows = Math.min(rowsPerTile, rowsPerSource - row);
        yield { tensor, source, row, stackedRow: e * rowsPerSource + row, rows };
      }
    }
  }
}

/** Bytes in the base of one row: the last axis. */
function rowBytes(tensor: PlannedTensor): number {
  return tensor.shape.at(-1)! * bytesPerElement[tensor.dtype]!;
}

async function quantizeTile(
  tile: Tile,
  weights: Uint8Array,
  request: QuantizeRequest,
): Promise<QuantizeResult | null> {
  const path = modulePath(tile.tensor);
  const planned = request.plans.map((plan) => plan.modules[path]);
  if (planned[0] === undefined) {
    await keepTile(tile, weights, request);
    return null;
  }
  const result = await request.kernel.quantize({
    weights,
    from: tile.tensor.dtype as FloatDtype,
    rows: tile.rows,
    columns: tile.tensor.shape.at(-1)!,
    store: request.storage,
    rounding: request.rounding,
    widths: distinct(planned as Width[]),
  });
  refuseNonFinite(tile, weights, result.nonFinite);
  await Promise.all(
    request.sinks.map(async (sink, index) => {
      const { words, scales, biases } = tileOf(result, planned[index]!);
      const rowOf = (part: Uint8Array) => tile.stackedRow * (part.byteLength / tile.rows);
      await sink.write(`${path}.weight`, rowOf(words), words);
      await sink.write(`${path}.scales`, rowOf(scales), scales);
      await sink.write(`${path}.biases`, rowOf(biases), biases);
    }),
  );
  result.release(); // the sums stay
  return result;
}

async function keepTile(tile: Tile, weights: Uint8Array, request: QuantizeRequest) {
  const from = tile.tensor.dtype as FloatDtype;
  const to = keptDtype(tile.tensor, request.storage);
  const { bytes, nonFinite } = await request.kernel.cast({ weights, from, to });
  refuseNonFinite(tile, weights, nonFinite);
  const offset = tile.stackedRow * (bytes.byteLength / tile.rows);
  await Promise.all(request.sinks.map((sink) => sink.write(tile.tensor.name, offset, bytes)));
}

function tileOf(result: QuantizeResult, width: Width) {
  return result.tiles.find((tile) => sameWidth(tile, width))!;
}

function refuseNonFinite({ tensor, source, row }: Tile, weights: Uint8Array, count: number) {
  if (count === 0) return;
  const axes = tensor.shape.length - (tensor.role.routed === true ? 1 : 0);
  const part = {
    source,
    row,
    columns: tensor.shape.at(-1)!,
    dtype: tensor.dtype as FloatDtype,
    axes,
  };
  throw nonFiniteWeights(part, weights, count);
}
