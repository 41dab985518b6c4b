import { comparedAtOnce } from "../evaluation/compare-hidden.ts";
import { comparisonColumns } from "../kernel/routines/compare.ts";
import { mostOfHead } from "../models/run.ts";
import { isQuantizable } from "../plan/plan.ts";
import { measuringStages } from "./measuring-memory.ts";
import type { BlockShape, MatrixShape, ModelShape } from "./model-shape.ts";
import { widthsOf } from "./operations.ts";
import { comparedRuns, type RunWork, type StageMemory } from "./work.ts";

/** Node, its code, headers and texts. */
const program = 200e6;
/**
 * Shared memory that nobody refers to any more, for each thread. A thread collects after 128 MiB,
 * and collects all after eight of these; measured, it leaves half of them. A small model leaves
 * less: some times what it uses at once.
 */
const mostUncollected = 400 * 2 ** 20;
const uncollectedTimes = 8;
/** Positions whose logits are in memory at once while the head is tuned. */
const headPositions = 512;
/** Tokens whose widest activations are in memory at once (ops.ts). */
const batchTokens = 4096;
/** Spare buffers of Hessians. */
const spare = 8;

/**
 * The least memory of every stage of a run, from its shapes, rows, riders and workers. For t tokens
 * of the riders on one model, in blocks: t · 4 · (3 · hidden + widest inner activation) bytes of
 * activations, the batch in work, the weights that riders share, and the Hessians in work. For the
 * head: its codes at every width, the weighed rows, the logits of some positions.
 */
export function memoryOf(work: RunWork): readonly StageMemory[] {
  const base = program + arenas(work);
  const stages = [
    ...measuringStages(work),
    ...tuningStages(work),
    ...(work.makes && work.tuning === null
      ? [{ name: "rounding", bytes: 300e6, holds: false }]
      : []),
    ...evaluationStages(work),
  ];
  return stages.map(({ bytes, ...stage }) => {
    const most = mostUncollected * (work.workers + 1);
    const uncollected = Math.min(most, uncollectedTimes * bytes);
    return { ...stage, bytes: base + bytes + uncollected };
  });
}

/** Bytes of hidden states that riders keep between two blocks. */
export function heldBytes(work: RunWork): number {
  const { shape, plans, tuning, evaluation } = work;
  const runs = 1 + comparedRuns(work).all;
  const own = tuning === null ? 0 : tuning.tokens + tuning.repaired * plans.length;
  return 4 * shape.hidden * (own + (evaluation?.tokens ?? 0) * runs);
}

function tuningStages(work: RunWork): StageMemory[] {
  const { shape, plans, tuning, evaluation, workers } = work;
  if (tuning === null) return [];
  const { hidden, vocabulary, blocks, headBytes, experts } = shape;
  const { perTier, rounded } = comparedRuns(work);
  const evaluated = evaluation?.tokens ?? 0;
  const onBase = [tuning.tokens, ...Array(1 + rounded).fill(evaluated)];
  const onTier = [tuning.repaired, ...Array(perTier).fill(evaluated)];
  // The base's router is forgotten when all tiers have passed. If the table is tied, they pass last.
  const routers = shape.isTied ? blocks.length : 1;
  const recorded =
    experts === null
      ? 0
      : routers *
        4 *
        (tuning.repaired * (experts.routed + 3 * experts.ranked) + evaluated * 3 * experts.ranked);
  const inBlocks = blocks.map((block) => passing(shape, block, [onBase, onTier], workers));
  const bits = plans.map((plan) => plan.modules[pathOf(shape.head.name)]?.bits ?? 0);
  const codes = widthsOf(shape.head, plans) === 0 ? 0 : tunedBytes(vocabulary * hidden, bits);
  const head = headBytes + codes + 8 * hidden * tuning.tokens + logitsOf(vocabulary);
  return [
    { name: "tuning, blocks", bytes: recorded + Math.max(...inBlocks), holds: true },
    { name: "tuning, head", bytes: head, holds: true },
  ];
}

function evaluationStages(work: RunWork): StageMemory[] {
  const { shape, plans, evaluation, tuning, workers } = work;
  if (evaluation === null) return [];
  const { hidden, vocabulary, blocks, headBytes } = shape;
  const { all, perTier, rounded } = comparedRuns(work);
  const riders = [1 + rounded, perTier].map((count) => Array(count).fill(evaluation.tokens));
  const inBlocks = blocks.map((block) => passing(shape, block, riders, workers));
  // Some positions of all runs are in memory, a part of each model's head, and all results.
  const compared = Math.min(evaluation.tokens, comparedAtOnce(hidden, all));
  const parts = 4 * Math.min(mostOfHead, vocabulary * hidden) * (1 + plans.length + rounded);
  const rows = 4 * hidden * compared * (1 + all);
  const results = 8 * comparisonColumns * evaluation.tokens * all;
  const kept = tuning === null && shape.isTied ? 0 : headBytes;
  return [
    // On a tuning walk these runs pass the blocks with those of the tuning.
    ...(tuning === null
      ? [{ name: "evaluation, blocks", bytes: Math.max(...inBlocks), holds: true }]
      : []),
    { name: "evaluation, head", bytes: rows + parts + results + kept, holds: true },
  ];
}

/**
 * Memory while a block is passed. `riders`: the tokens of each, by the model that they ride on. All
 * of them go through experts side by side, and through another block one after the other.
 */
function passing(
  { hidden }: ModelShape,
  block: BlockShape,
  riders: readonly (readonly number[])[],
  workers: number,
): number {
  const together = block.matrices.some(({ tensor }) => tensor.role.routed === true);
  const tokens = riders.map((some) => (together ? total(some) : Math.max(0, ...some)));
  const activations = 4 * Math.max(...tokens) * (3 * hidden + block.inner);
  return activations + blockMemory(block.matrices, workers);
}

/** Matrices in work, shared by the riders, their Hessians, and the batch with the widest rows. */
function blockMemory(matrices: readonly MatrixShape[], workers: number): number {
  const inWork = matrices.map(({ rows, columns, tensor }) => {
    const routed = tensor.role.routed === true;
    const shared = routed ? 2 * (workers + 1) : 1;
    return 4 * rows * columns * shared;
  });
  const inputs = new Map(
    matrices
      .filter(({ tensor }) => isQuantizable(tensor))
      .map(({ tensor, columns }) => [tensor.role.fedBy, { tensor, columns }]),
  );
  const hessians = [...inputs.values()].map(({ tensor, columns }) => {
    const inProgress = tensor.role.routed === true ? spare : 2;
    return 4 * columns ** 2 * inProgress;
  });
  const widest = Math.max(
    0,
    ...matrices.filter(({ tensor }) => tensor.role.routed !== true).map(({ rows }) => rows),
  );
  const batches = Math.ceil(workers / 8) + 1;
  return total(inWork) + total(hessians) + 4 * batchTokens * widest * batches;
}

/**
 * Memory of the workers' WebAssembly instances, which never shrinks: the factor, its matrix and
 * 1024 rows of the widest matrix, or the slabs of a product.
 */
function arenas({ shape, workers, tuning, measuring }: RunWork): number {
  const slabs = 4 * (8 + 2 + 2) * 2 ** 20;
  const tunes = tuning !== null || measuring !== null;
  const widest = Math.max(
    ...shape.blocks.flatMap(({ matrices }) => matrices.map(({ columns }) => columns)),
  );
  const tune = tunes ? 4 * (2 * widest ** 2 + 2 * 1024 * widest) : 0;
  return workers * Math.max(slabs, tune);
}

/** Logits of the positions in work while the head is tuned: of the base, and a copy in a worker. */
function logitsOf(vocabulary: number): number {
  return 2 * 4 * headPositions * vocabulary;
}

/** Codes, scales and biases of some weights at several widths, each once. */
function tunedBytes(weights: number, bits: readonly number[]): number {
  return total([...new Set(bits)].map((width) => (weights * (width + 0.5)) / 8));
}

function pathOf(name: string): string {
  return name.replace(/\.weight$/, "");
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
