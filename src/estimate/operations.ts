import { sum, total } from "../ground/sum.ts";
import { leavesExpert, type PlannedTensor } from "../models/architecture.ts";
import { isQuantizable } from "../plan/plan.ts";
import { contextPositions, fewContexts } from "../quantize/head-groups.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import { partsOf } from "../sensitivity/block-parts.ts";
import { probedLayers, sampledLayers } from "../sensitivity/probe-shares.ts";
import { aloneShare } from "../sensitivity/probe-walk.ts";
import { widths as measuredWidths, probeWidth } from "../sensitivity/probe-width.ts";
import { isExpertMeasured, mostRows } from "../sensitivity/sampling.ts";
import { type BlockShape, type MatrixShape, type ModelShape, nearShare } from "./model-shape.ts";
import {
  baseRuns,
  bitsOf,
  comparedRuns,
  type PlannedTier,
  type RunWork,
  tunedOf,
  widthsOf,
} from "./work.ts";

/** Mixes of the Hessians of a tied table that are tried. */
export const triedMixes = 3;
/**
 * Operations of a matrix product that take as long as tuning n rows of d columns at one width, in
 * n·d², with descent over all columns (tuning-settings.ts). Measured at 4, 5, 6 and 8 bits
 * together, of the expert size of the 30B (docs/benchmarks.md).
 */
const descended = 7.1;
/** The same for an expert that saw few tokens: once for all widths, and for one of so many bits. */
const onceOfFew = 0.5;
const ofFew = (bits: number) => (bits >= 8 ? 2.1 : bits >= 6 ? 2.7 : 3.1);
/** Tokens per column of an expert that are not few: its Hessian is half its own. */
const fewTokens = tuningSettings.pooledStrength;
/** How much longer router-aware tuning takes: it goes block by block of rows. */
const routerAwareFactor = 1.4;
/**
 * How much longer all takes than its products: attention, recurrences, norms, copies, and the main
 * thread (docs/benchmarks.md).
 */
export const besideProducts = 1.12;
/** The same for forecasts at all widths, from a quarter of the rows: a fifth of tuning. */
const forecasts = 1.5;
/** Widths that measuring tunes a head at: the probe's, and all of them on an eighth of the rows. */
const measuredHead = 1 + measuredWidths.length / 8;
/** Operations for a weight that is rounded at one width, as those of a product. Measured: 150. */
const roundingOperations = 150;

/** A stage of a run, and its operations as those of a matrix product. */
export interface Stage {
  readonly name: "measuring" | "tuning" | "rounding" | "evaluation";
  readonly operations: number;
}

/**
 * The arithmetic of every stage. For n rows, d columns and t tokens, a product takes 2ntd. A
 * Hessian takes td² (half of a square) and d³ to factor. Tuning takes, at one width, 2.6nd² to
 * 7.1nd². Attention, recurrences and norms are a share of it all.
 */
export function stagesOf(work: RunWork): readonly Stage[] {
  const stages: readonly Stage[] = [
    { name: "measuring", operations: measuringOperations(work) },
    { name: "tuning", operations: tuningOperations(work) },
    { name: "rounding", operations: roundingOf(work) },
    { name: "evaluation", operations: evaluationOperations(work) },
  ];
  return stages
    .filter(({ operations }) => operations > 0)
    .map(({ name, operations }) => ({ name, operations: besideProducts * operations }));
}

/**
 * The probes of earlier blocks that pass each block, and all copies of the rows that pass it.
 * `most`: probed blocks of a kind.
 */
export function probesOf(
  { blocks, experts, isTied }: Pick<ModelShape, "blocks" | "experts" | "isTied">,
  most: number,
): readonly { before: number; copies: number }[] {
  const tensorsOf = (layer: number) =>
    blocks[layer]!.matrices.map(({ tensor }) => tensor).filter(isQuantizable);
  const kinds = blocks.map(({ kind }) => kind);
  const [sampled, probed] = [sampledLayers(kinds), probedLayers(kinds, most)];
  const together = togetherOf(experts);
  let before = isTied ? 2 : 1; // the embeddings', of a tied table two
  return blocks.map((_, layer) => {
    const parts = partsOf(layer, tensorsOf(layer));
    const alone = parts.reduce(
      (sum, { tensors }) => sum + (tensors.length === 1 ? 0 : tensors.length),
      0,
    );
    // The base, all tensors together, and what starts here.
    const entry = { before, copies: before + 1 + together + parts.length + alone * aloneShare };
    before +=
      (probed.has(layer) ? parts.length : 0) + (sampled.has(layer) ? alone * aloneShare : 0);
    return entry;
  });
}

/** Probes of all tensors together: with forced routes and, where there are routers, free ones. */
export function togetherOf(experts: ModelShape["experts"]): number {
  return experts === null ? 1 : 2;
}

/** Heads that are compared with the base's: of a tied table every mix. */
export function headsOf({ isTied }: Pick<ModelShape, "isTied">): number {
  return isTied ? triedMixes : 1;
}

function measuringOperations(work: RunWork): number {
  const { shape, measuring } = work;
  if (measuring === null) return 0;
  const { others, probe, more, positions, sample } = measuring;
  const together = 1 + togetherOf(shape.experts);
  const probes = probesOf(shape, sample.blocks);
  const share = (matrix: MatrixShape) => measuredShare(matrix, sample.experts);
  // The base, the head's own probes, and at every position the base and all tensors together.
  const own = probes.at(-1)!.before + 1 + headsOf(shape);
  const compared = positions * own + (probe + more) * together;
  const inBlocks = sum(shape.blocks, (block, layer) => {
    const passes = (others + probe * probes[layer]!.copies + more * together) * block.operations;
    return passes + hessianOperations(block.matrices, others, share);
  });
  const tuned = sum(shape.blocks, ({ matrices }) =>
    sum(matrices, (matrix) => {
      const tried = isQuantizable(matrix.tensor) ? triedOperations(matrix, others) : 0;
      const rounded = roundingOperations * matrix.rows * matrix.columns;
      return matrix.count * (share(matrix) * tried + (1 - share(matrix)) * rounded);
    }),
  );
  const table = shape.isTied
    ? tuneOperations(outer(shape.table), others, [probeWidth.bits])
    : sampledOperations(shape, probe + more);
  const logits = 2 * shape.hidden * shape.vocabulary * compared;
  const head = headOperations(shape, [others, fewContexts], measuredHead);
  return inBlocks + tuned + table + logits + head + (shape.isTied ? tiedOperations(work) : 0);
}

/** Tuning a sample of a table's rows at all widths, and those of `tokens` at the probe's. */
function sampledOperations({ vocabulary, hidden }: ModelShape, tokens: number): number {
  const sampled = measuredWidths.length * Math.min(vocabulary, mostRows);
  return descended * (sampled + Math.min(vocabulary, tokens)) * hidden ** 2;
}

/** What a tied table adds (tied-table.ts): the head's mix is tuned at one width. */
function tiedOperations({ shape }: RunWork): number {
  return groupOperations(shape, 0, 1).tuned;
}

/** Share of a stack's experts that are tuned when sensitivity is measured, of at most `most`. */
function measuredShare({ tensor, count }: MatrixShape, most: number): number {
  if (tensor.role.routed !== true) return 1;
  const experts = [...Array(count).keys()];
  return experts.filter((expert) => isExpertMeasured(tensor, expert, most)).length / count;
}

function tuningOperations({ shape, plans, tuning, ahead }: RunWork): number {
  if (tuning === null || ahead !== undefined) return ahead ?? 0;
  const { tokens, repaired, sequential } = tuning;
  const perToken = sum(shape.blocks, ({ operations }) => operations);
  const passes = perToken * tokens;
  const hessians = sum(shape.blocks, ({ matrices }) =>
    hessianOperations(tunedOf(matrices, plans), tokens, () => 1),
  );
  const tuned = sum(shape.blocks, (block) => tuningOfBlock({ shape, block, tokens }, plans));
  const outerWidths = (tensor: PlannedTensor) => widthsOf(tensor, plans);
  const table = tableOperations(shape, tokens, plans);
  const walks = sequential ? plans.length : 1;
  const repair = perToken * repaired * (plans.length + (sequential ? 1 : 0));
  const positions = [tokens, contextPositions] as const;
  const head = headOperations(shape, positions, outerWidths(shape.head));
  return walks * (passes + hessians) + tuned + table + head + repair;
}

/** Tuning the embeddings. A tied table is tuned as the head. */
export function tableOperations(
  { isTied, table }: Pick<ModelShape, "isTied" | "table">,
  tokens: number,
  plans: readonly PlannedTier[],
): number {
  return isTied ? 0 : tuneOperations(outer(table), tokens, bitsOf(table, plans));
}

export interface TunedBlock {
  readonly shape: Pick<ModelShape, "experts">;
  readonly block: BlockShape;
  /** Calibration tokens. */
  readonly tokens: number;
}

/** Tuning the matrices of a block at the widths of some plans. Its Hessians are not counted. */
export function tuningOfBlock(
  { shape, block, tokens }: TunedBlock,
  plans: readonly PlannedTier[],
): number {
  return sum(block.matrices, (matrix) => {
    const isRouterAware =
      shape.experts !== null &&
      matrix.tensor.role.residual === true &&
      (tuningSettings.fewTokenDirections || !isFew(matrix, tokens));
    const one = tuneOperations(matrix, tokens, bitsOf(matrix.tensor, plans));
    return one * matrix.count * (isRouterAware ? routerAwareFactor : 1);
  });
}

function roundingOf({ shape, plans, tuning, makes }: RunWork): number {
  if (!makes || tuning !== null) return 0;
  const blocks = shape.blocks.flatMap(({ matrices }) => matrices);
  const all = [...blocks, outer(shape.table), ...(shape.isTied ? [] : [outer(shape.head)])];
  return sum(all, (matrix) => {
    const weights = matrix.rows * matrix.columns * matrix.count;
    return roundingOperations * weights * widthsOf(matrix.tensor, plans);
  });
}

function evaluationOperations(work: RunWork): number {
  const { shape, evaluation } = work;
  if (evaluation === null) return 0;
  const runs = comparedRuns(work);
  const perToken =
    sum(shape.blocks, ({ operations }) => operations) + 2 * shape.hidden * shape.vocabulary;
  const weights = sum(shape.blocks, ({ matrices }) =>
    sum(matrices, ({ rows, columns, count }) => rows * columns * count),
  );
  const rounding = roundingOperations * weights * runs.rounded.length;
  return perToken * (total(baseRuns(work)) + runs.tokens) + rounding;
}

/** Hessians of a block's inputs, each once, and the product of experts' `near` tokens. */
export function hessianOperations(
  matrices: readonly MatrixShape[],
  tokens: number,
  share: (matrix: MatrixShape) => number,
): number {
  const inputs = new Map(matrices.map((matrix) => [matrix.tensor.role.fedBy, matrix]));
  inputs.delete(null);
  const grams = sum([...inputs.values()], (matrix) => {
    const { columns, count, tensor } = matrix;
    const isRouted = tensor.role.routed === true;
    // The input of an expert's last matrix has the tokens that nearly visit it too.
    const near = leavesExpert(tensor.role) ? 1 + nearShare : 1;
    const seen = tokens * (isRouted ? near * matrix.perToken * share(matrix) : 1);
    const pooled = isRouted && !leavesExpert(tensor.role) ? tokens : 0;
    return (seen + pooled) * columns ** 2 + count * share(matrix) * columns ** 3;
  });
  const near = sum(
    matrices.filter(({ tensor: { role } }) => role.routed === true && !leavesExpert(role)),
    (matrix) => 2 * matrix.rows * matrix.columns * matrix.perToken * share(matrix),
  );
  return grams + nearShare * tokens * near;
}

/** Tuning one matrix at some widths, from `tokens` calibration tokens. */
function tuneOperations(matrix: MatrixShape, tokens: number, bits: readonly number[]): number {
  const { rows, columns } = matrix;
  if (bits.length === 0) return 0;
  const few = onceOfFew + sum(bits, ofFew);
  return (isFew(matrix, tokens) ? few : descended * bits.length) * rows * columns ** 2;
}

/** Whether the matrices are of experts that saw few tokens. */
function isFew({ columns, count, perToken, tensor }: MatrixShape, tokens: number): boolean {
  return tensor.role.routed === true && (tokens * perToken) / count < fewTokens * columns;
}

/** Tuning one matrix at the probe's width, and its forecasts. */
function triedOperations(matrix: MatrixShape, tokens: number): number {
  return (
    tuneOperations(matrix, tokens, [probeWidth.bits]) +
    forecasts * matrix.rows * matrix.columns ** 2
  );
}

/** Groups, Fisher weights and Hessians of the head, and tuning its rows. */
export function headOperations(
  shape: ModelShape,
  [positions, contexts]: readonly [positions: number, contexts: number],
  widths: number,
): number {
  if (widths === 0) return 0;
  const { vocabulary, hidden } = shape;
  const logits = 2 * vocabulary * hidden * (positions + Math.min(positions, contexts));
  const { hessians, tuned } = groupOperations(shape, positions, widths);
  return logits + hessians + tuned;
}

/** Hessians of the groups of a head's rows, and tuning these. */
function groupOperations({ vocabulary, hidden }: ModelShape, positions: number, widths: number) {
  const hessians = tuningSettings.headGroups * (positions * hidden ** 2 + hidden ** 3);
  return { hessians, tuned: descended * vocabulary * hidden ** 2 * widths };
}

function outer(tensor: PlannedTensor): MatrixShape {
  const [rows, columns] = tensor.shape as readonly [number, number];
  return { tensor, rows, columns, count: 1, perToken: 1 };
}
