import { type Shares, shareAhead } from "../../src/estimate/ahead.ts";
import { sum, total } from "../../src/ground/sum.ts";
import { plans, series } from "../../test/support/series-30b.ts";
import { cores, type Line, secondsIn } from "./lines.ts";

/** What a bench knows of its rows. */
export interface PassedRows {
  /** Names of the tiers that it made. */
  readonly tiers: readonly string[];
  /** The kinds of the series' blocks, in their order. */
  readonly kinds: readonly string[];
  /** Share of a kind's rows that are of the calibration text; with what near tokens take. */
  readonly calibration: (kind: string) => { readonly plain: number; readonly near: number };
}

/** CPU seconds of one block of a kind: tuning with Hessians, and all rows. */
interface BlockSeconds {
  readonly tuning: number;
  readonly hessians: number;
  readonly rows: number;
}

/**
 * The hours of a job of the workflow's matrix with a job ahead (docs/decisions/0018), by the table
 * of a bench and the shares that the run's plan has. Of a bench of one tier: of the tier's own job.
 * Of one of all: of the job ahead. Empty for others.
 */
export function describeAhead(
  lines: readonly Line[],
  rows: PassedRows,
  busy: number,
): readonly string[] {
  const shares = shareAhead(series);
  if (shares === null) return [];
  const found = { lines, rows };
  if (rows.tiers.length === plans.length)
    return [wordsOf(`the job ahead, ${startsOf(shares)}`, jobAhead(found, shares), busy)];
  const [tier, ...others] = rows.tiers;
  const place = plans.findIndex((plan) => plan.tier === tier);
  if (place === -1 || others.length > 0) return [];
  const first = shares.first[place]!;
  return [wordsOf(`${tier}'s own job, blocks from ${first} on ahead`, ownJob(found, first), busy)];
}

interface Found {
  readonly lines: readonly Line[];
  readonly rows: PassedRows;
}

const startsOf = ({ first }: Shares) =>
  first.map((block, i) => `${plans[i]!.tier} from block ${block} on`).join(", ");

function wordsOf(what: string, seconds: number, busy: number): string {
  const hours = seconds / 3600;
  const clock = (hours / cores / busy).toFixed(2);
  const share = `${(100 * busy).toFixed(0)} % busy`;
  return `${what}: ${hours.toFixed(2)} CPU h / (${cores} cores × ${share}) = ${clock} h`;
}

/** Seconds of lines whose work begins so. */
function secondsOf({ lines }: Found, block: string, ...works: readonly string[]): number {
  const some = lines.filter(
    (line) => line.block === block && works.some((work) => line.work.startsWith(work)),
  );
  return total(some.map(secondsIn));
}

function blockOf(found: Found, kind: string): BlockSeconds {
  const count = found.rows.kinds.filter((one) => one === kind).length;
  return {
    tuning: secondsOf(found, kind, "tuning") / count,
    hessians: secondsOf(found, kind, "calibration rows") / count,
    rows: secondsOf(found, kind, "all rows") / count,
  };
}

const outer = "embeddings and head";
/** The head takes half of the tuning outside the blocks: embeddings are as large. */
const headOf = (found: Found) =>
  secondsOf(found, outer, "tuning") / 2 + secondsOf(found, outer, "logits", "other work");

function ownJob(found: Found, first: number): number {
  const { kinds, calibration } = found.rows;
  const saved = sum(kinds.slice(first), (kind) => {
    const { tuning, hessians, rows } = blockOf(found, kind);
    const { plain, near } = calibration(kind);
    return tuning + hessians + rows * (plain + near);
  });
  return total(found.lines.map(secondsIn)) - saved - headOf(found);
}

/** Of a block that is made for some of the tiers, tuning takes their part of all. */
function jobAhead(found: Found, { first }: Shares): number {
  const { kinds, calibration } = found.rows;
  const passed = sum([...kinds.keys()], (block) => {
    const { tuning, hessians, rows } = blockOf(found, kinds[block]!);
    const { plain, near } = calibration(kinds[block]!);
    const some = first.filter((start) => block >= start).length / first.length;
    const made = some === 0 ? 0 : hessians + rows * near + tuning * some;
    return rows * plain + made;
  });
  return passed + headOf(found);
}
