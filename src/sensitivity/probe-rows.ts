import type { Rows } from "../calibration/rows.ts";
import { sharedIntegers } from "../kernel/matrix.ts";

/**
 * The rows that probes run on: some of the calibration rows, evenly spread over the domains.
 * Hessians are made of the other rows, so errors are measured on held-out text.
 */
export interface ProbeRows {
  readonly samples: number;
  /** Tokens of a probe row: the first of a calibration row. */
  readonly length: number;
  /** Tokens of the probe rows. */
  readonly ids: Uint32Array<SharedArrayBuffer>;
  /** Tokens of more rows, on which all tensors are changed together (joint-probes.ts). */
  readonly more: Uint32Array<SharedArrayBuffer>;
  /**
   * Tokens of other rows, whole, at most `ProbeSize.others` rows. If there are fewer of these than
   * probe rows: tokens of all rows.
   */
  readonly others: Uint32Array<SharedArrayBuffer>;
  readonly domains: readonly string[];
  /** In the order of `domains`. Their mean over the probe rows is 1. */
  readonly domainWeights: readonly number[];
  /** Domain of each token, as an index into `domains`. */
  readonly domainOf: Uint32Array;
  /** Weight of each token: that of its domain. Mean 1. */
  readonly weights: Float64Array;
  /** The same for the tokens of `ids` and `more`. Their mean may be another. */
  readonly jointWeights: Float64Array;
  /** Numbers of the tokens whose next-token distributions are compared. */
  readonly compared: Uint32Array<SharedArrayBuffer>;
}

/**
 * KL is computed at every fourth position. Neighbours give similar results, and logits of the whole
 * vocabulary are expensive.
 */
const comparedEvery = 4;
/** How much is probed: rows, blocks, and experts. */
export interface ProbeSize {
  /** How many rows, evenly spread over the domains. */
  readonly samples: number;
  /** Most tokens of each. */
  readonly longest: number;
  /**
   * How many `more` rows, evenly spread too, but at most a third of the rows that are left: the
   * others are for Hessians. Default: none.
   */
  readonly more?: number;
  /** Most rows that Hessians are made of, evenly spaced. Default: all that are left. */
  readonly others?: number;
  /** Most blocks of a kind whose parts are probed (probe-shares.ts). Default: 5. */
  readonly blocks?: number;
  /** Most experts of a layer that are tuned (sampling.ts). Default: 16. */
  readonly experts?: number;
}
/** How much is sampled of the blocks and experts. */
export type ProbeSample = Required<Pick<ProbeSize, "blocks" | "experts">>;

/** The same with its defaults. */
export function sampleOf({ blocks = 5, experts = 16 }: ProbeSize): ProbeSample {
  return { blocks, experts };
}

/**
 * Selects `samples` of the rows, but at least one of every domain. `weights`: weight of each domain
 * in the costs, default 1. A weight of 0 excludes a domain from the costs.
 */
export function probeRowsOf(
  rows: Rows,
  { samples, longest, more = 0, others: most = Infinity }: ProbeSize,
  weights: Readonly<Record<string, number>>,
): ProbeRows {
  const domains = Object.keys(rows.domains);
  const all = rows.rows.map(({ domain }, row) => ({ row, domain: domains.indexOf(domain) }));
  const count = domains.length;
  const chosen = spread(all, count, Math.max(1, Math.floor(samples / count)));
  const left = without(all, chosen);
  const added = spread(left, count, Math.floor(Math.min(more, left.length / 3) / count));
  const others = without(left, added).map(({ row }) => row);
  const some = others.length >= chosen.length ? thin(others, most) : null;
  const length = Math.min(rows.length, longest);
  const tokensIn = (some: readonly RowOfDomain[]) =>
    tokensOf(
      rows,
      some.map(({ row }) => row),
      length,
    );
  const ids = tokensIn(chosen);
  const domainOf = new Uint32Array(ids.length);
  for (const [i, { domain }] of chosen.entries())
    domainOf.fill(domain, i * length, (i + 1) * length);
  const compared = sharedIntegers(Math.floor(ids.length / comparedEvery));
  for (let i = 0; i < compared.length; i++) compared[i] = (i + 1) * comparedEvery - 1;
  const asked = domains.map((name) => (Object.hasOwn(weights, name) ? weights[name]! : 1));
  const mean = chosen.reduce((sum, { domain }) => sum + asked[domain]!, 0) / chosen.length;
  const domainWeights = asked.map((weight) => (mean > 0 ? weight / mean : 1));
  const weightsOf = (some: readonly RowOfDomain[]) =>
    Float64Array.from(
      { length: length * some.length },
      (_, token) => domainWeights[some[Math.floor(token / length)]!.domain]!,
    );
  return {
    samples: chosen.length,
    length,
    ids,
    more: tokensIn(added),
    others: some === null ? rows.ids : tokensOf(rows, some, rows.length),
    domains,
    domainWeights,
    domainOf,
    weights: weightsOf(chosen),
    jointWeights: weightsOf([...chosen, ...added]),
    compared,
  };
}

interface RowOfDomain {
  readonly row: number;
  /** Its place in the list of domains. */
  readonly domain: number;
}

/** Evenly spaced rows of every domain, at most `each`. */
function spread(
  rows: readonly RowOfDomain[],
  domains: number,
  each: number,
): readonly RowOfDomain[] {
  return [...Array(domains).keys()].flatMap((domain) => {
    const own = rows.filter((row) => row.domain === domain);
    const count = Math.min(each, own.length);
    return Array.from({ length: count }, (_, i) => own[Math.floor((i * own.length) / count)]!);
  });
}

function without(
  rows: readonly RowOfDomain[],
  some: readonly RowOfDomain[],
): readonly RowOfDomain[] {
  return rows.filter((row) => !some.includes(row));
}

/** At most `most` of the rows, evenly spaced. */
function thin(rows: readonly number[], most: number): readonly number[] {
  const count = Math.min(most, rows.length);
  return Array.from({ length: count }, (_, i) => rows[Math.floor((i * rows.length) / count)]!);
}

/** The first `count` tokens of some rows. */
function tokensOf(
  { ids, length }: Rows,
  numbers: readonly number[],
  count: number,
): Uint32Array<SharedArrayBuffer> {
  const some = sharedIntegers(numbers.length * count);
  for (const [i, row] of numbers.entries())
    some.set(ids.subarray(row * length, row * length + count), i * count);
  return some;
}
