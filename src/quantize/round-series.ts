import { memberRows, type ReadRows, rowsPerRead } from "../base/base-rows.ts";
import { nonFiniteWeights } from "../base/finite.ts";
import type { Report } from "../ground/report.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { inOrder } from "../kernel/in-order.ts";
import type { Kernel, QuantizeResult } from "../kernel/kernel-types.ts";
import { Leases } from "../kernel/lease.ts";
import type { Weight } from "../kernel/matrix.ts";
import type { Rounding, Width } from "../kernel/width.ts";
import { distinct, elements, modulePath, sameWidth, unquantizedDtype } from "../mlx/format.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { TierPlan } from "../plan/plan-types.ts";

/** Bytes of a row tile: enough to hide a job's overhead, few enough for a dozen in memory. */
const tileBytes = 2 << 20;

export interface QuantizeRequest {
  /** Tensors of the MLX repository in order. */
  readonly tensors: readonly PlannedTensor[];
  readonly read: ReadRows;
  readonly plans: readonly TierPlan[];
  /** One sink per plan, in the same order. */
  readonly sinks: readonly TierSink[];
  readonly storage: FloatDtype;
  readonly rounding: Rounding;
  readonly kernel: Kernel;
  readonly report: Report;
}

/** Relative squared error of each plan's quantized weights: sum (w - ŵ)² / sum w². */
export type QuantizeOutcome = readonly { readonly relativeError: number }[];

/** A range of rows of one member of a tensor. */
interface Tile {
  readonly tensor: PlannedTensor;
  readonly member: number;
  /** First row within the member. */
  readonly row: number;
  readonly rows: number;
}

/**
 * Rounds every tensor for every plan in one walk over the base. Each row tile is read once, is
 * quantized at each width that some plan wants, and is written to each tier. Memory holds a few
 * tiles. Errors are summed in tile order, so the result depends neither on the number of workers
 * nor on timing. Throws BAD_CHECKPOINT for weights that are not finite.
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
    const { tensor, member, row, rows } = tile;
    const buffer = buffers.take(bytesOf(tile));
    const range = { member, start: row, end: row + rows };
    const values = await request.read(tensor, range, new Uint8Array(buffer));
    const result = await quantizeTile(tile, values, request);
    buffers.give(buffer, limit); // not after a failure: a dying worker may still read from it
    return { tile, result };
  };
  const results = inOrder(
    tiles.map((tile) => () => visit(tile)),
    limit,
  );
  for await (const { tile, result } of results) {
    done += bytesOf(tile);
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
    const all = memberRows(tensor);
    const atOnce = rowsPerRead(tensor, tileBytes);
    for (const member of tensor.sources.keys()) {
      for (let row = 0; row < all; row += atOnce)
        yield { tensor, member, row, rows: Math.min(atOnce, all - row) };
    }
  }
}

function bytesOf({ tensor, rows }: Tile): number {
  return rows * tensor.shape.at(-1)! * bytesPerElement[tensor.dtype]!;
}

/** First row of the tile in the MLX tensor, which stacks all members. */
function stackedRow({ tensor, member, row }: Tile): number {
  return member * memberRows(tensor) + row;
}

/** Null: no plan quantizes the tensor. */
async function quantizeTile(
  tile: Tile,
  values: Weight,
  request: QuantizeRequest,
): Promise<QuantizeResult | null> {
  const path = modulePath(tile.tensor);
  const planned = request.plans.map((plan) => plan.modules[path]);
  if (planned[0] === undefined) {
    await castTile(tile, values, request);
    return null;
  }
  const { bytes: weights, dtype: from, rows, columns } = values;
  const result = await request.kernel.quantize({
    weights,
    from,
    rows,
    columns,
    store: request.storage,
    rounding: request.rounding,
    widths: distinct(planned as Width[]),
  });
  refuseNonFinite(tile, values, result.nonFinite);
  await Promise.all(
    request.sinks.map(async (sink, index) => {
      const { words, scales, biases } = tileOf(result, planned[index]!);
      const rowOf = (part: Uint8Array) => stackedRow(tile) * (part.byteLength / rows);
      await sink.write(`${path}.weight`, rowOf(words), words);
      await sink.write(`${path}.scales`, rowOf(scales), scales);
      await sink.write(`${path}.biases`, rowOf(biases), biases);
    }),
  );
  result.release(); // the sums stay valid
  return result;
}

/** Writes rows of an unquantized tensor. */
async function castTile(tile: Tile, values: Weight, request: QuantizeRequest) {
  const { bytes: weights, dtype: from } = values;
  const to = unquantizedDtype(tile.tensor, request.storage);
  const { bytes, nonFinite } = await request.kernel.cast({ weights, from, to });
  refuseNonFinite(tile, values, nonFinite);
  const offset = stackedRow(tile) * (bytes.byteLength / tile.rows);
  await Promise.all(request.sinks.map((sink) => sink.write(tile.tensor.name, offset, bytes)));
}

function tileOf(result: QuantizeResult, width: Width) {
  return result.byWidth.find((tile) => sameWidth(tile, width))!;
}

function refuseNonFinite({ tensor, member, row }: Tile, values: Weight, count: number) {
  if (count > 0) throw nonFiniteWeights({ tensor, member, row, values }, count);
}
