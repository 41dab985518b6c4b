import { mostHeldInMemory } from "../checkpoint/held-runs.ts";
import { pieceBytes } from "../checkpoint/piece-digests.ts";
import { mostInParts } from "../checkpoint/shard-proof.ts";
import { comparedAtOnce } from "../evaluation/compare-hidden.ts";
import { total } from "../ground/sum.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { comparisonColumns } from "../kernel/routines/compare.ts";
import { tuningMemory } from "../kernel/routines/tune-memory.ts";
import { triangleSize } from "../kernel/triangle.ts";
import { keepsTable } from "../models/kept-weights.ts";
import { mostAhead } from "../models/read-ahead.ts";
import { mostOfHead } from "../models/run.ts";
import { tierGroupSize } from "../plan/tiers.ts";
import { contextWidth, positionsAtOnce } from "../quantize/head-groups.ts";
import { weighedRows } from "../quantize/head-tuner.ts";
import { mostCodes } from "../quantize/outer-tuner.ts";
import { largestRange } from "../quantize/round-series.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import { passingMemory } from "./block-memory.ts";
import { measuringStages } from "./measuring-memory.ts";
import type { ModelShape } from "./model-shape.ts";
import {
  baseRuns,
  bitsOf,
  comparedRuns,
  type RunWork,
  type StageMemory,
  widthsOf,
} from "./work.ts";

/** Node, its code, headers and texts. */
const program = 200e6;
/** A worker thread without its job. */
const threadBytes = 24e6;
/** Bits of scale and bias for each weight. */
const pairBits = 32 / tierGroupSize;
/**
 * Shared memory that nobody refers to any more: what is created between two collections
 * (collect.ts). A small model leaves less: some times what it uses at once.
 */
const mostUncollected = 320 * 2 ** 20;
const uncollectedTimes = 8;

/**
 * The least memory of every stage of a run, from its shapes, rows, riders and workers. Beside what
 * the program and its threads take:
 * - in blocks: activations (`passingMemory`), the weights that riders share and those that are
 *   read ahead, Hessians in progress;
 * - for the head: its codes at every width, the weighed rows, the logits of some positions;
 * - in a comparison: hidden states of some positions of every run, a part of each head, results;
 * - while rounding: the ranges of rows in progress.
 */
export function memoryOf(work: RunWork, inTurn: boolean): readonly StageMemory[] {
  const base = program + arenas(work) + hashing(work.shape);
  const stages = [
    ...measuringStages(work),
    ...tuningStages(work, inTurn),
    ...evaluationStages(work),
  ].map(({ bytes, ...stage }) => {
    const uncollected = Math.min(mostUncollected, uncollectedTimes * bytes);
    return { ...stage, bytes: base + bytes + uncollected + readAhead(work, stage) };
  });
  return [...roundingStages(work), ...stages];
}

/** Weights of the blocks that are read before they are asked for. Heads are not. */
function readAhead({ shape }: RunWork, { name }: Pick<StageMemory, "name">): number {
  const blocks = Math.max(0, shape.bytes - shape.headBytes);
  return name.endsWith("blocks") ? Math.min(mostAhead, blocks) : 0;
}

/**
 * Ranges of rows in progress with their codes at every width, once in memory of the host and once
 * in that of a worker. Their buffers are used again, so none is left uncollected.
 */
function roundingStages({ shape, plans, tuning, makes, workers }: RunWork): StageMemory[] {
  if (!makes || tuning !== null) return [];
  const { blocks, table, head } = shape;
  const tensors = [
    ...blocks.flatMap(({ matrices }) => matrices),
    { tensor: table },
    { tensor: head },
  ];
  const ranges = tensors.map(({ tensor }) => {
    const stored = total(bitsOf(tensor, plans).map((width) => (width + pairBits) / 8));
    return largestRange(tensor) * (1 + stored / bytesPerElement[tensor.dtype]!);
  });
  const inProgress = Math.max(...ranges) * (2 * workers + 2);
  const bytes = program + threadBytes * workers + inProgress + hashing(shape);
  return [{ name: "rounding", bytes, holds: false }];
}

/** Bytes of the base that wait for their turn to be hashed, and digests of its pieces. */
function hashing({ bytes }: ModelShape): number {
  return Math.min(bytes, mostHeldInMemory + mostInParts) + (32 * bytes) / pieceBytes;
}

/** Bytes of hidden states that riders keep between two blocks. */
export function heldBytes(work: RunWork): number {
  const { shape, plans, tuning } = work;
  const tuned = tuning === null ? 0 : tuning.tokens * (tuning.residual ? 2 : 1);
  const own = tuning === null ? 0 : tuned + tuning.repaired * plans.length;
  return 4 * shape.hidden * (own + total(baseRuns(work)) + comparedRuns(work).tokens);
}

function tuningStages(work: RunWork, inTurn: boolean): StageMemory[] {
  const { shape, plans, tuning, workers } = work;
  if (tuning === null) return [];
  const { hidden, blocks, headBytes, experts } = shape;
  const { perTier, rounded } = comparedRuns(work);
  const ofBase = baseRuns(work);
  const evaluated = total(ofBase);
  const runs = [...ofBase, ...rounded];
  const onBase = inTurn
    ? [
        { tuned: tuning.tokens, others: [] },
        { tuned: 0, others: ofBase },
      ]
    : [{ tuned: tuning.tokens, others: runs }];
  const onTier = { tuned: 0, others: [tuning.repaired, ...perTier] };
  // The base's router is freed when all tiers have passed. If the table is tied, they pass last.
  const routers = shape.isTied ? blocks.length : 1;
  const recorded =
    experts === null
      ? 0
      : routers *
        4 *
        (tuning.repaired * (experts.routed + 3 * experts.ranked) + evaluated * 3 * experts.ranked);
  const inBlocks = blocks.flatMap((block) =>
    [...onBase, onTier].map((riders) => passingMemory(shape, block, riders, workers)),
  );
  const head = headBytes + 4 * hidden * tuning.tokens + headTuning(shape, plans);
  const most = keptTable(shape) + recorded + Math.max(...inBlocks);
  return [
    { name: "tuning, blocks", bytes: most, holds: true },
    { name: "tuning, head", bytes: head, holds: true },
  ];
}

function evaluationStages(work: RunWork): StageMemory[] {
  const { shape, plans, evaluation, tuning, workers } = work;
  if (evaluation === null) return [];
  const { hidden, vocabulary, blocks, headBytes } = shape;
  const { count, tokens, perTier, rounded } = comparedRuns(work);
  const inBlocks = blocks.flatMap((block) =>
    [[...baseRuns(work), ...rounded], perTier].map((others) =>
      passingMemory(shape, block, { tuned: 0, others }, workers),
    ),
  );
  // Some positions of all runs are in memory, a part of each model's head, and all results.
  const compared = Math.min(evaluation.tokens, comparedAtOnce(hidden, count));
  const parts = 4 * Math.min(mostOfHead, vocabulary * hidden) * (1 + plans.length + rounded.length);
  const rows = 4 * hidden * compared * (1 + count);
  const results = 8 * comparisonColumns * tokens;
  const kept = tuning === null && shape.isTied ? keptTable(shape) : headBytes;
  return [
    // On a tuning walk these runs pass the blocks with those of the tuning.
    ...(tuning === null
      ? [
          {
            name: "evaluation, blocks",
            bytes: keptTable(shape) + Math.max(...inBlocks),
            holds: true,
          },
        ]
      : []),
    { name: "evaluation, head", bytes: rows + parts + results + kept, holds: true },
  ];
}

/** Bytes of a tied table that stays in memory while riders are in the blocks. */
function keptTable(shape: ModelShape): number {
  return shape.isTied && keepsTable(shape) ? shape.headBytes : 0;
}

/**
 * Memory of the workers' WebAssembly instances, which never shrinks: rows of a matrix that is tuned
 * and parts of its Hessian, or the slabs of a product.
 */
function arenas({ shape, workers, tuning, measuring }: RunWork): number {
  const slabs = 4 * (8 + 2 + 2) * 2 ** 20;
  const tunes = tuning !== null || measuring !== null;
  const columns = new Set(
    shape.blocks.flatMap(({ matrices }) => matrices.map(({ columns }) => columns)),
  );
  const tuned = tunes ? [...columns].map(tuningMemory) : [];
  return workers * Math.max(slabs, ...tuned);
}

/** Logits of the positions in work while the head is tuned, and as much that is not freed yet. */
function logitsOf(vocabulary: number): number {
  return 2 * 4 * positionsAtOnce * vocabulary;
}

/** Hessians of the head: of all rows, of a group, its mix with that of looking rows up, factors. */
const hessiansOfHead = 5;

/** What tuning the head needs beside it and its input: logits, contexts, Hessians and codes. */
function headTuning(shape: ModelShape, plans: RunWork["plans"]): number {
  const { hidden, vocabulary, head } = shape;
  if (widthsOf(head, plans) === 0) return 0;
  const bits = [...new Set(plans.map((plan) => plan.modules[pathOf(head.name)]?.bits ?? 0))];
  const weights = hidden * vocabulary;
  const codes = total(bits.map((width) => (weights * width) / 8));
  const pairs = bits.length * (weights / tierGroupSize) * 4;
  const hessians = hessiansOfHead * 4 * triangleSize(hidden);
  const rows = 4 * hidden * weighedRows + (2 * weights) / tuningSettings.headGroups;
  return (
    logitsOf(vocabulary) +
    4 * contextWidth * vocabulary +
    (codes > mostCodes ? 0 : codes) +
    pairs +
    hessians +
    rows
  );
}

function pathOf(name: string): string {
  return name.replace(/\.weight$/, "");
}
