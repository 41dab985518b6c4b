import { total } from "../ground/sum.ts";
import { contextPositions } from "../quantize/head-groups.ts";
import { headOperations, hessianOperations, tableOperations, tuningOfBlock } from "./operations.ts";
import {
  baseRuns,
  comparedRuns,
  type PlannedTier,
  type RunWork,
  tunedOf,
  widthsOf,
} from "./work.ts";

/** A series whose tiers are tuned by a job each, and by one that works ahead of them. */
export interface AheadWork extends Pick<RunWork, "shape" | "plans" | "tuning" | "evaluation"> {}

/** How the work is shared. All in operations of a matrix product. */
export interface Shares {
  /** By plan: the first block of those that the job ahead makes, and the head. */
  readonly first: readonly number[];
  /** The longest job of a tier. */
  readonly longest: number;
  /** The same without a job ahead. */
  readonly alone: number;
  /** The job ahead. */
  readonly ahead: number;
}

/**
 * What the job ahead must save of the longest job. Less is not worth another runner: about five
 * minutes of one with three cores.
 */
const leastSaved = 40e12;
/** How much later than planned the job ahead may have a part, as a share of its time until then. */
const lateness = 0.05;

/**
 * Shares the work so that the longest job of a tier is as short as can be. The job ahead begins
 * with the others. It takes the calibration rows through all blocks, tunes the later ones for each
 * tier, and ends with the head; a tier's own job must not reach a part before it is made. null: no
 * share saves anything, or the blocks of a tier depend on those before them.
 */
export function shareAhead(work: AheadWork): Shares | null {
  const { tuning, shape } = work;
  if (tuning === null || tuning.sequential) return null;
  const series = costsOf(work);
  const blocks = shape.blocks.length;
  const alone = Math.max(...series.tiers.map((tier) => ownJob(tier, blocks).end));
  const ends = series.tiers.flatMap((tier) =>
    [...Array(blocks - 1).keys()].map((block) => ownJob(tier, block + 1).end),
  );
  for (const longest of [...new Set(ends)].sort((a, b) => a - b)) {
    const first = series.tiers.map((tier) => lastStart(tier, blocks, longest));
    if (first.includes(0)) continue;
    const ahead = jobAhead(series, first);
    if (!isInTime(series, first, ahead)) continue;
    const end = ahead.at(-1)!;
    return { first, longest, alone, ahead: end };
  }
  return null;
}

/** Whether the job ahead is worth a runner. */
export function paysAhead({ alone, longest }: Shares): boolean {
  return alone - longest >= leastSaved;
}

/** Operations of one block, or behind all blocks of the head. */
interface PartCosts {
  /** Calibration rows through the base. */
  readonly pass: number;
  readonly hessians: number;
  /** Of the tier's own job: evaluation rows, and the repair of routers. */
  readonly rows: number;
  /** Tuning for the tier alone. */
  readonly tuning: number;
}

interface TierCosts {
  /** What comes before the first block. */
  readonly table: number;
  readonly blocks: readonly PartCosts[];
  readonly head: PartCosts;
  /** Whether calibration rows pass blocks that the job ahead made: a repair needs them. */
  readonly passesAll: boolean;
}

interface SeriesCosts {
  readonly tiers: readonly TierCosts[];
  /** Tuning a block (behind all blocks: the head) for some of the plans together. */
  readonly together: (block: number, plans: readonly number[]) => number;
}

function costsOf({ shape, plans, tuning, evaluation }: AheadWork): SeriesCosts {
  const { tokens, repaired } = tuning!;
  const { hidden, vocabulary } = shape;
  const logits = 2 * hidden * vocabulary;
  const headOf = (some: readonly PlannedTier[]) =>
    headOperations(shape, [tokens, contextPositions], widthsOf(shape.head, some));
  const tuneBlock = (block: number, some: readonly PlannedTier[]) =>
    tuningOfBlock({ shape, block: shape.blocks[block]!, tokens }, some);
  const smallest = Math.min(...plans.map(({ bytes }) => bytes));
  const tiers = plans.map((plan): TierCosts => {
    // Of a large model, plain rounding is evaluated beside the smallest tier.
    const beside = plan.bytes === smallest ? 2 : 1;
    const own = evaluation && { ...evaluation, rounded: Math.min(evaluation.rounded, beside) };
    const runs = comparedRuns({ shape, plans: [plan], evaluation: own });
    const passed = total(baseRuns({ evaluation: own })) + runs.tokens;
    const blocks = shape.blocks.map((block, i) => {
      return {
        pass: block.operations * tokens,
        hessians: hessianOperations(tunedOf(block.matrices, [plan]), tokens, () => 1),
        rows: block.operations * (passed + repaired),
        tuning: tuneBlock(i, [plan]),
      };
    });
    const table = tableOperations(shape, tokens, [plan]);
    const head = { pass: 0, hessians: 0, rows: logits * passed, tuning: headOf([plan]) };
    return { table, blocks, head, passesAll: repaired > 0 };
  });
  const together = (block: number, numbers: readonly number[]) => {
    const some = numbers.map((i) => plans[i]!);
    return block === shape.blocks.length ? headOf(some) : tuneBlock(block, some);
  };
  return { tiers, together };
}

/** When a tier's own job reaches each block and the head, and when it ends. */
function ownJob(
  { table, blocks, head, passesAll }: TierCosts,
  first: number,
): { readonly reaches: readonly number[]; readonly end: number } {
  let at = table;
  const reaches = blocks.map(({ pass, hessians, rows, tuning }, block) => {
    const reached = at;
    at += rows + (block < first ? pass + hessians + tuning : passesAll ? pass : 0);
    return reached;
  });
  const end = at + head.rows + (first < blocks.length ? 0 : head.tuning);
  return { reaches: [...reaches, at], end };
}

/** The last block that a tier's share may begin with, so that its own job ends in time; 0: none. */
function lastStart(tier: TierCosts, blocks: number, end: number): number {
  let first = blocks;
  while (first > 0 && ownJob(tier, first).end > end) first--;
  return first;
}

/** When the job ahead has made each block, and the head. */
function jobAhead({ tiers, together }: SeriesCosts, first: readonly number[]): readonly number[] {
  let at = 0;
  const numbers = [...first.keys()];
  const done = tiers[0]!.blocks.map(({ pass, hessians }, block) => {
    const some = numbers.filter((i) => block >= first[i]!);
    at += pass + (some.length === 0 ? 0 : hessians + together(block, some));
    return at;
  });
  const some = numbers.filter((i) => first[i]! < done.length);
  return [...done, at + (some.length === 0 ? 0 : together(done.length, some))];
}

function isInTime(
  { tiers }: SeriesCosts,
  first: readonly number[],
  ahead: readonly number[],
): boolean {
  return tiers.every((tier, i) => {
    const { reaches } = ownJob(tier, first[i]!);
    return reaches.every(
      (reached, part) => part < first[i]! || ahead[part]! * (1 + lateness) <= reached,
    );
  });
}
