import { total } from "../ground/sum.ts";
import { triangleSize } from "../kernel/triangle.ts";
import { isQuantizable } from "../plan/plan.ts";
import { probeWidth } from "../sensitivity/probe-width.ts";
import { tokensTogether } from "../sensitivity/probes.ts";
import { hessiansOf } from "./block-memory.ts";
import { type BlockShape, type MatrixShape, type ModelShape, nearShare } from "./model-shape.ts";
import { headsOf, probesOf, togetherOf, triedMixes } from "./operations.ts";
import type { MeasuringWork, RunWork, StageMemory } from "./work.ts";

/** Rows of the head that one group's codes and jobs have in memory, as a share of all. */
const headShare = 1 / 4;
/** Positions whose logits are in memory at once, twice. */
const positionsAtOnce = 512;
/** Tokens of a batch for each worker, and batches at once (ops.ts). */
const [batchTokens, batches] = [512, 2];

/**
 * The least memory while sensitivity is measured, apart from what every stage has. In blocks:
 * hidden states of all probes before and behind the block, and those of the rows for Hessians. Also
 * the weights that riders share with their codes in float32, and the Hessians in progress. The head
 * is in memory from its first use on; of the probes, only the compared positions are there.
 */
export function measuringStages(work: RunWork): StageMemory[] {
  const { shape, measuring } = work;
  if (measuring === null) return [];
  const { hidden, vocabulary, headBytes, blocks, experts } = shape;
  const { others, probe, more, positions } = measuring;
  const copies =
    (probesOf(shape, measuring.sample.blocks).at(-1)?.before ?? 1) + 1 + headsOf(shape);
  const compared = positions * copies + (probe + more) * (1 + togetherOf(experts));
  const head = vocabulary * hidden;
  const codes = (head * (probeWidth.bits + 0.5)) / 8;
  const rows = 4 * hidden * (others + 2 * compared);
  const logits = 2 * 4 * positionsAtOnce * vocabulary;
  // A tied table is in memory from the start, with the codes that its rows are looked up in. At the
  // end its mixes are there too, the errors of looked-up rows, and the Hessian that weighs them.
  const kept = shape.isTied ? headBytes + codes : 0;
  const tied = shape.isTied
    ? (triedMixes - 1) * codes + 4 * (3 * hidden * probe + triangleSize(hidden))
    : 0;
  const bytes = headBytes * (1 + headShare) + codes + rows + logits + tied;
  return [
    {
      name: "measuring, blocks",
      bytes: kept + Math.max(...blocks.map((_, layer) => inBlock(work, layer))),
      holds: false,
    },
    { name: "measuring, head", bytes, holds: false },
  ];
}

function inBlock({ shape, measuring, workers }: RunWork, layer: number): number {
  const { hidden, experts } = shape;
  const { others, probe, more } = measuring!;
  const { matrices, inner, narrow } = shape.blocks[layer]!;
  const { before, copies } = probesOf(shape, measuring!.sample.blocks)[layer]!;
  const passing = before + 1 + togetherOf(experts);
  const isStack = matrices.some(({ tensor }) => tensor.role.routed === true);
  // Copies that start here are there behind the block only. All pass a stack of experts at once.
  const joint = more * (1 + togetherOf(experts)) * (isStack ? 2 : 1);
  const kept = 4 * hidden * (probe * (copies + (isStack ? passing : 0)) + joint);
  const most = Math.max(others, Math.min(probe * passing, tokensTogether));
  const inside = isStack ? 0 : 4 * most * (hidden + inner);
  const inStack = narrow * (others + probe * passing + more * (1 + togetherOf(experts)));
  const states = kept + 4 * (hidden * 2 * others + inStack) + inside;
  const rows = expertRows(shape, layer, measuring!, workers);
  return (
    states + rows + weightsOf(matrices, workers) + hessiansOf(matrices) + batchOf(matrices, workers)
  );
}

/**
 * Rows of the experts in progress: input, what they make of it, output; near tokens of measured
 * ones.
 */
function expertRows(
  shape: ModelShape,
  layer: number,
  { others, probe, more, sample }: MeasuringWork,
  workers: number,
): number {
  const { matrices } = shape.blocks[layer]!;
  const expert = matrices.find(({ tensor }) => tensor.role.routed === true);
  if (expert === undefined) return 0;
  const made = expert.columns + expert.rows;
  const text = (1 + nearShare) * made + expert.columns;
  const probes = made + expert.columns;
  const copies =
    probe * probesOf(shape, sample.blocks)[layer]!.copies + more * (1 + togetherOf(shape.experts));
  const tokens = others * text + copies * probes;
  return (4 * tokens * expert.perToken * (workers + 1)) / expert.count;
}

/** Weights as they are stored, and their codes decoded to float32. */
function weightsOf(matrices: readonly MatrixShape[], workers: number): number {
  // A pass has workers + 1 experts in progress, a fast one as many more (rider.ts).
  return total(
    matrices.map(({ rows, columns, count, tensor }) => {
      const inWork = tensor.role.routed === true ? Math.min(count, 2 * (workers + 1)) : 1;
      return (2 + (isQuantizable(tensor) ? 4 : 0)) * rows * columns * inWork;
    }),
  );
}

function batchOf(matrices: BlockShape["matrices"], workers: number): number {
  const widest = Math.max(
    0,
    ...matrices.filter(({ tensor }) => tensor.role.routed !== true).map(({ rows }) => rows),
  );
  return 4 * batchTokens * Math.min(8, workers) * batches * widest;
}
