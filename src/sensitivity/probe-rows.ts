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
  /**
   * Tokens of other rows, whole, at most `mostOthers` rows. If there are fewer of these than probe
   * rows: tokens of all rows.
   */
  readonly others: Uint32Array<SharedArrayBuffer>;
  readonly domains: readonly string[];
  /** In the order of `domains`. Their mean over the probe rows is 1. */
  readonly domainWeights: readonly number[];
  /** Domain of each token, as an index into `domains`. */
  readonly domainOf: Uint32Array;
  /** Weight of each token: that of its domain. Mean 1. */
  readonly weights: Float64Array;
  /** Numbers of the tokens whose next-token distributions are compared. */
  readonly compared: Uint32Array<SharedArrayBuffer>;
}

/**
 * KL is computed at every fourth position. Neighbours give similar results, and logits of the whole
 * vocabulary are expensive.
 */
const comparedEvery = 4;
/** Most rows that Hessians are made of, spread evenly: costs need fewer than tuning does. */
const mostOthers = 64;

/** How large the probe rows are. */
export interface ProbeSize {
  /** How many rows, evenly spread over the domains. */
  readonly samples: number;
  /** Most tokens of each. */
  readonly longest: number;
}

/**
 * Selects `samples` of the rows, but at least one of every domain. `weights`: weight of each domain
 * in the costs, default 1. A weight of 0 excludes a domain from the costs.
 */
export function probeRowsOf(
  rows: Rows,
  { samples, longest }: ProbeSize,
  weights: Readonly<Record<string, number>>,
): ProbeRows {
  const domains = Object.keys(rows.domains);
  const chosen = chooseRows(rows, domains, samples);
  const probed = new Set(chosen.map(({ row }) => row));
  const others = rows.rows.flatMap((_, row) => (probed.has(row) ? [] : [row]));
  const length = Math.min(rows.length, longest);
  const ids = tokensOf(rows, [...probed], length);
  const domainOf = new Uint32Array(ids.length);
  for (const [i, { domain }] of chosen.entries())
    domainOf.fill(domain, i * length, (i + 1) * length);
  const compared = sharedIntegers(Math.floor(ids.length / comparedEvery));
  for (let i = 0; i < compared.length; i++) compared[i] = (i + 1) * comparedEvery - 1;
  const asked = domains.map((name) => (Object.hasOwn(weights, name) ? weights[name]! : 1));
  const mean = chosen.reduce((sum, { domain }) => sum + asked[domain]!, 0) / chosen.length;
  const domainWeights = asked.map((weight) => (mean > 0 ? weight / mean : 1));
  return {
    samples: chosen.length,
    length,
    ids,
    others: others.length >= chosen.length ? tokensOf(rows, thin(others), rows.length) : rows.ids,
    domains,
    domainWeights,
    domainOf,
    weights: Float64Array.from(domainOf, (domain) => domainWeights[domain]!),
    compared,
  };
}

interface ChosenRow {
  readonly row: number;
  /** Its place in the list of domains. */
  readonly domain: number;
}

/** Evenly spaced rows of every domain. */
function chooseRows(rows: Rows, domains: readonly string[], samples: number): ChosenRow[] {
  const each = Math.max(1, Math.floor(samples / domains.length));
  return domains.flatMap((name, domain) => {
    const own = rows.rows.flatMap((row, i) => (row.domain === name ? [i] : []));
    const count = Math.min(each, own.length);
    return Array.from({ length: count }, (_, i) => {
      return { row: own[Math.floor((i * own.length) / count)]!, domain };
    });
  });
}

/** At most `mostOthers` of the rows, evenly spaced. */
function thin(rows: readonly number[]): readonly number[] {
  const count = Math.min(mostOthers, rows.length);
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
