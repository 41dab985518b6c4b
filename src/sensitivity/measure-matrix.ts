import { pieces } from "../ground/pieces.ts";
import { sum } from "../ground/sum.ts";
import {
  asWeight,
  floatsOf,
  type Matrix,
  newMatrix,
  type Weight,
  weightRows,
} from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { KeptWeights } from "../models/kept-weights.ts";
import type { BlockPlace } from "../models/rider.ts";
import type { Model } from "../models/run.ts";
import { type VisitedMatrix, visitBlock } from "../quantize/block-visit.ts";
import { fewContexts } from "../quantize/head-groups.ts";
import { gatherRows, type HeadResult, tuneHeadRows } from "../quantize/head-tuner.ts";
import type { Hessian } from "../quantize/hessian.ts";
import { tableHessian } from "../quantize/table-hessian.ts";
import { rowsOfWeight, tuneMatrix } from "../quantize/tune-matrix.ts";
import { copyOf, decodeMatrix, type TunedRows } from "../quantize/tuned-rows.ts";
import { treatmentOf } from "../quantize/tuning-settings.ts";
import type { TuningTools } from "../quantize/tuning-tools.ts";
import type { BlockCodes } from "./block-codes.ts";
import type { Forecast, LossTable } from "./loss-table.ts";
import { probeIndex, probeWidth, widths } from "./probe-width.ts";
import { isExpertMeasured, sampleRows } from "./sampling.ts";

/** Values that all steps of a measuring walk share. */
export interface Measuring {
  readonly model: Model;
  /** Its weights, of which some are in memory. */
  readonly kept: KeptWeights;
  /** All tensors of the model. */
  readonly tensors: readonly PlannedTensor[];
  /** Tokens of a sequence. */
  readonly length: number;
  readonly tools: TuningTools;
  readonly losses: LossTable;
  /** Whether a matrix is in the sample of which rows are really tuned at every width. */
  readonly isSampled: (tensor: PlannedTensor, expert: number) => boolean;
  /** Experts of a layer that are tuned at most. The others are rounded. */
  readonly mostExperts: number;
}

interface MeasuredBlock {
  readonly place: BlockPlace;
  readonly quantizable: readonly PlannedTensor[];
  /** Receives the codes of the tensors at the probe's width. */
  readonly codes: BlockCodes;
}

/**
 * Runs a block on the hidden states `x [tokens, hidden]` of whole rows and measures its quantizable
 * tensors. Of a large stack of experts some are tuned and the others rounded. Returns the hidden
 * states after the block, made with the model's own weights.
 */
export async function measureBlock(
  measuring: Measuring,
  { place, quantizable, codes }: MeasuredBlock,
  x: Matrix,
): Promise<Matrix> {
  const { model, tools, length, mostExperts } = measuring;
  const stack = quantizable.find(({ role }) => role.routed === true);
  const request = {
    ...{ ...place, model, tools, run: { length }, quantized: quantizable },
    // The tuning walk sees the same rows, and refuses too many that are not finite.
    watch: { drop: () => {}, route: () => {} },
    visit: async (matrix: VisitedMatrix) => {
      const { tensor, expert, weight } = matrix;
      codes.add(tensor.role.role, expert, await measureMatrix(measuring, matrix));
      return weight;
    },
    passes: (expert: number) =>
      stack !== undefined && !isExpertMeasured(stack, expert, mostExperts),
    pass: async ({ tensor, expert, weight }: Omit<VisitedMatrix, "x" | "hessian">) =>
      codes.add(tensor.role.role, expert, [await roundMatrix(tools, weight)]),
  };
  return visitBlock(request, x);
}

/** A matrix at the probe's width, plainly rounded. */
async function roundMatrix({ kernel, storage: store }: TuningTools, weight: Weight) {
  const { rows, columns, dtype: from, bytes: weights } = weight;
  const job = {
    weights,
    from,
    rows,
    columns,
    store,
    rounding: "stored",
    widths: [probeWidth],
  } as const;
  const result = await kernel.quantize(job);
  const { words, scales, biases } = result.byWidth[0]!;
  const part = copyOf({ width: probeWidth, start: 0, rows, words, scales, biases } as TunedRows);
  result.release();
  return part;
}

/** Gives rows `[start, end)` of a matrix, or all, at the probe's width: decoded in each call. */
export type ReadProbed = (range?: readonly [start: number, end: number]) => Promise<Weight>;

/**
 * Measures the embeddings: some rows at every width, and those of the tokens `ids` at the probe's.
 * Returns a reader of the latter, which has zeros in place of all other rows.
 */
export async function measureTable(
  measuring: Measuring,
  tensor: PlannedTensor,
  ids: readonly Uint32Array[],
): Promise<ReadProbed> {
  const { model, kept, tensors, tools, losses } = measuring;
  const hessian = await tableHessian(tools, tensors, kept);
  const weight = await model.weights.matrix(null, tensor.role.role);
  const matrix = { tensor, weight, hessian };
  const sample = await measureSample(measuring, matrix);
  const [{ loss, roundedLoss }, scale] = [sample.sums[probeIndex]!, weight.rows / sample.rows];
  const sums = { loss: scale * loss, roundedLoss: scale * roundedLoss };
  const forecast = scaled(sample.forecast, scale);
  losses.add({ module: modulePath(tensor), matrix: 0, forecast, sums, sample });
  const tokens = [...new Set(ids.flatMap((some) => [...some]))].sort((a, b) => a - b);
  const own = { ...matrix, weight: gatherRows(weight, tokens) };
  const { parts } = await tuneAt(measuring, own, [probeWidth]);
  hessian?.release();
  return tableReader(weight, tokens, floatsOf(await readerOf(tools, parts, weight)()));
}

/** Reads a table that has `values` in the rows of some tokens, ascending, and zeros in others. */
function tableReader(
  { rows, columns }: Pick<Weight, "rows" | "columns">,
  tokens: readonly number[],
  values: Float32Array,
): ReadProbed {
  return async ([start, end] = [0, rows]) => {
    const table = newMatrix(end - start, columns);
    for (const [i, token] of tokens.entries())
      if (token >= start && token < end)
        table.data.set(values.subarray(i * columns, (i + 1) * columns), (token - start) * columns);
    return asWeight(table.data, columns);
  };
}

/**
 * Measures the head, which multiplies `x [positions, hidden]`. Some of its rows are tuned at every
 * width, so it needs no forecast. Returns its reader at the probe's width.
 */
export async function measureHead(
  { model, tools, losses }: Measuring,
  tensor: PlannedTensor,
  x: Matrix,
): Promise<ReadProbed> {
  const weight = await model.weights.matrix(null, tensor.role.role);
  const few = { sampledWidths: widths, sampled: true, contexts: fewContexts };
  const result = await tuneHeadRows(tools, weight, x, { widths: [probeWidth], ...few });
  addHeadLosses(losses, modulePath(tensor), result);
  return readerOf(tools, result.parts, weight);
}

/**
 * Adds the losses of a head that was tuned at the probe's width. At the others they are that loss
 * times the ratio of the losses of a sample of rows.
 */
export function addHeadLosses(
  losses: LossTable,
  module: string,
  { sums, sampledSums }: HeadResult,
): void {
  // Every group of rows has a Hessian of its own. So the energy is scaled from that of the weights.
  const probe = sums[0]!;
  const relative = probe.weightEnergy > 0 ? probe.squaredError / probe.weightEnergy : null;
  const own = sampledSums[probeIndex]!.loss;
  const tuned = sampledSums.map(({ loss }) => {
    return { ...probe, loss: own > 0 ? (probe.loss * loss) / own : loss };
  });
  losses.addTuned(module, relative === null ? 0 : probe.loss / relative, tuned);
}

/** A table and a head are large in float32, so only the rows that are asked for are decoded. */
export function readerOf(
  { kernel, storage: store }: TuningTools,
  parts: readonly TunedRows[],
  { columns }: Pick<Weight, "columns">,
): ReadProbed {
  return (range) => decodeMatrix(kernel, parts, { columns, store }, range);
}

/** Reads rows of a table as plain rounding gives them: rounded in each call. */
export function roundedReader(tools: TuningTools, table: Weight): ReadProbed {
  return async (range = [0, table.rows]) => {
    const part = await roundMatrix(tools, weightRows(table, ...range));
    return readerOf(tools, [part], table)();
  };
}

/** Rows of one job: the workers share a table. */
const rowsPerForecast = 8192;

/** The forecast of a matrix with any number of rows, at all widths. */
async function forecastOf(
  { kernel, storage: store }: TuningTools,
  weight: Weight,
  hessian: Hessian | null,
): Promise<Forecast> {
  const { columns, dtype: from } = weight;
  const factor = hessian?.factor ?? null;
  const order = factor === null ? null : hessian!.order;
  const job = { from, columns, store, factor, order, widths, diagonal: hessian?.diagonal ?? null };
  const parts = await Promise.all(
    pieces(weight.rows, rowsPerForecast).map(([start, end]) => {
      const sources = [weightRows(weight, start, end).bytes];
      return kernel.run("forecast", { ...job, sources, rows: end - start });
    }),
  );
  return {
    energy: sum(parts, ({ energy }) => energy),
    losses: widths.map((_, i) => sum(parts, ({ losses }) => losses[i]!)),
  };
}

/** The forecast of all rows from that of some. */
function scaled({ energy, losses }: Forecast, factor: number): Forecast {
  return { energy: factor * energy, losses: losses.map((loss) => factor * loss) };
}

type MeasuredMatrix = Pick<VisitedMatrix, "tensor" | "weight"> & {
  /** Null: every column counts alike. */
  readonly hessian: Hessian | null;
};

/** Rows that stand for all of a matrix: their forecast, and the sums of tuning at all widths. */
async function measureSample(measuring: Measuring, matrix: MeasuredMatrix) {
  const weight = sampleRows(matrix.weight);
  const forecast = await forecastOf(measuring.tools, weight, matrix.hessian);
  const { sums } = await tuneAt(measuring, { ...matrix, weight }, widths);
  return { rows: weight.rows, forecast, sums };
}

/** Tunes a matrix. Returns its codes at the probe's width, and its sums. */
async function tuneAt(
  { tools }: Measuring,
  { tensor, weight, hessian }: MeasuredMatrix,
  tried: readonly Width[],
) {
  const parts: TunedRows[] = [];
  const write = async (part: TunedRows) => {
    if (part.width === probeWidth) parts.push(copyOf(part));
  };
  const alone = tensor.role.routed !== true;
  const { routerAware: _, ...descent } = treatmentOf(tools.settings, tensor, hessian);
  const options = { hessian, widths: tried, ...descent, alone, sampled: true, write };
  return { parts, sums: await tuneMatrix(tools, rowsOfWeight(weight), options) };
}

/**
 * Forecasts the loss of a matrix at all widths, and tunes it at the probe's. If it is in the
 * sample, some of its rows are tuned at all widths. Returns the codes at the probe's width.
 */
async function measureMatrix(
  measuring: Measuring,
  { expert, ...matrix }: MeasuredMatrix & Pick<VisitedMatrix, "expert">,
): Promise<readonly TunedRows[]> {
  const { tools, losses, isSampled } = measuring;
  const { tensor, weight, hessian } = matrix;
  const { parts, sums } = await tuneAt(measuring, matrix, [probeWidth]);
  const sample = isSampled(tensor, expert) ? await measureSample(measuring, matrix) : null;
  const some = sampleRows(weight);
  const ofSome = sample?.forecast ?? (await forecastOf(tools, some, hessian));
  const forecast = scaled(ofSome, weight.rows / some.rows);
  losses.add({ module: modulePath(tensor), matrix: expert, forecast, sums: sums[0]!, sample });
  return parts;
}
