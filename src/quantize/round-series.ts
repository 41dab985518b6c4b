import { memberRows, type ReadRows, rowsPerRead } from "../base/base-rows.ts";
import { refuseNonFinite } from "../base/finite.ts";
import type { Report } from "../ground/report.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { inOrder } from "../kernel/in-order.ts";
import type { Kernel, QuantizeResult } from "../kernel/kernel-types.ts";
import { Leases } from "../kernel/lease.ts";
import type { Weight } from "../kernel/matrix.ts";
import { isMxfp4, type Rounding, type Width } from "../kernel/width.ts";
import { distinct, elements, modulePath, sameWidth, unquantizedDtype } from "../mlx/format.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { energyOf, writeCodes } from "./kept-codes.ts";

/**
 * Bytes of some rows that are rounded at once: enough to hide a job's overhead, few enough for a
 * dozen in memory.
 */
const bytesAtOnce = 2 << 20;

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
interface RowRange {
  readonly tensor: PlannedTensor;
  readonly member: number;
  /** First row within the member. */
  readonly row: number;
  readonly rows: number;
}

/**
 * Rounds every tensor for every plan in one walk over the base. Each range of rows is read once, is
 * quantized at each width that some plan wants, and is written to each tier. Memory holds a few
 * ranges. Errors are summed in their order, so the result depends neither on the number of workers
 * nor on timing. Throws BAD_CHECKPOINT for weights that are not finite.
 */
export async function quantizeSeries(request: QuantizeRequest): Promise<QuantizeOutcome> {
  const sums = request.plans.map(() => ({ error: 0, energy: 0 }));
  const total = request.tensors.reduce(
    (sum, tensor) => sum + elements(tensor.shape) * bytesPerElement[tensor.dtype]!,
    0,
  );
  let done = 0;
  const ranges = [...cutRows(request.tensors)];
  const limit = request.kernel.workers + 2;
  const buffers = new Leases();
  const visit = async (range: RowRange) => {
    const { tensor, member, row, rows } = range;
    const buffer = buffers.take(bytesOf(range));
    const asked = { member, start: row, end: row + rows };
    const values = await request.read(tensor, asked, new Uint8Array(buffer));
    const result = await quantizeRange(range, values, request);
    buffers.give(buffer, limit); // not after a failure: a dying worker may still read from it
    return { range, result };
  };
  const results = inOrder(
    ranges.map((range) => () => visit(range)),
    limit,
  );
  for await (const { range, result } of results) {
    done += bytesOf(range);
    request.report.tick(done, total, "bytes");
    if (result === null) continue;
    for (const [index, plan] of request.plans.entries()) {
      const { error, energy } = result.of(plan.modules[modulePath(range.tensor)]!);
      sums[index]!.error += error;
      sums[index]!.energy += energy;
    }
  }
  return sums.map(({ error, energy }) => ({ relativeError: energy === 0 ? 0 : error / energy }));
}

function* cutRows(tensors: readonly PlannedTensor[]): Generator<RowRange> {
  for (const tensor of tensors) {
    const all = memberRows(tensor);
    const atOnce = rowsPerRead(tensor, bytesAtOnce);
    for (const member of tensor.sources.keys()) {
      for (let row = 0; row < all; row += atOnce)
        yield { tensor, member, row, rows: Math.min(atOnce, all - row) };
    }
  }
}

/** Bytes of the largest range of a tensor. */
export function largestRange(tensor: PlannedTensor): number {
  const rows = Math.min(memberRows(tensor), rowsPerRead(tensor, bytesAtOnce));
  return rows * tensor.shape.at(-1)! * bytesPerElement[tensor.dtype]!;
}

function bytesOf({ tensor, rows }: RowRange): number {
  return rows * tensor.shape.at(-1)! * bytesPerElement[tensor.dtype]!;
}

/** First row of the range in the MLX tensor, which stacks all members. */
function stackedRow({ tensor, member, row }: RowRange): number {
  return member * memberRows(tensor) + row;
}

/** The squared error of a range at a width, and the sum of its squares. */
interface RangeSums {
  of(width: Width): { readonly error: number; readonly energy: number };
}

/** Null: no plan quantizes the tensor. */
async function quantizeRange(
  range: RowRange,
  values: Weight,
  request: QuantizeRequest,
): Promise<RangeSums | null> {
  const path = modulePath(range.tensor);
  const planned = request.plans.map((plan) => plan.modules[path]);
  if (planned[0] === undefined) {
    await castRange(range, values, request);
    return null;
  }
  const widths = distinct(planned as Width[]);
  const kept = widths.some(isMxfp4) ? await keepRange(range, values, request) : null;
  const affine = widths.filter((width) => !isMxfp4(width));
  const rounded = affine.length === 0 ? null : await roundRange(range, values, request, affine);
  return {
    of: (width) =>
      isMxfp4(width)
        ? { error: 0, energy: kept!.energy }
        : { error: widthOf(rounded!, width).squaredError, energy: rounded!.energy },
  };
}

/** Writes the base's own codes to the tiers that keep them. */
async function keepRange(range: RowRange, values: Weight, request: QuantizeRequest) {
  const { tensor } = range;
  const found = await energyOf(request.kernel, values);
  refuseNonFinite({ ...range, values }, found.nonFinite);
  const place = { tensor, row: stackedRow(range) };
  const keeps = (index: number) => isMxfp4(request.plans[index]!.modules[modulePath(tensor)]!);
  const sinks = request.sinks.filter((_, index) => keeps(index));
  await Promise.all(sinks.map((sink) => writeCodes(sink, place, values)));
  return found;
}

/** Rounds rows at some widths, and writes them to the tiers that have these. */
async function roundRange(
  range: RowRange,
  values: Weight,
  request: QuantizeRequest,
  widths: readonly Width[],
): Promise<QuantizeResult> {
  const path = modulePath(range.tensor);
  const { bytes: weights, dtype: from, rows, columns } = values;
  const result = await request.kernel.quantize({
    ...{ weights, from, rows, columns, widths },
    store: request.storage,
    rounding: request.rounding,
  });
  refuseNonFinite({ ...range, values }, result.nonFinite);
  await Promise.all(
    request.sinks.map(async (sink, index) => {
      const width = request.plans[index]!.modules[path]!;
      if (isMxfp4(width)) return;
      const { words, scales, biases } = widthOf(result, width);
      const rowOf = (part: Uint8Array) => stackedRow(range) * (part.byteLength / rows);
      await sink.write(`${path}.weight`, rowOf(words), words);
      await sink.write(`${path}.scales`, rowOf(scales), scales);
      await sink.write(`${path}.biases`, rowOf(biases), biases);
    }),
  );
  result.release(); // the sums stay valid
  return result;
}

/** Writes rows of an unquantized tensor. */
async function castRange(range: RowRange, values: Weight, request: QuantizeRequest) {
  const { bytes: weights, dtype: from } = values;
  const to = unquantizedDtype(range.tensor, request.storage);
  const { bytes, nonFinite } = await request.kernel.cast({ weights, from, to });
  refuseNonFinite({ ...range, values }, nonFinite);
  const offset = stackedRow(range) * (bytes.byteLength / range.rows);
  await Promise.all(request.sinks.map((sink) => sink.write(range.tensor.name, offset, bytes)));
}

function widthOf(result: QuantizeResult, width: Width) {
  return result.byWidth.find((part) => sameWidth(part, width))!;
}
