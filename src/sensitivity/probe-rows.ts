import type { Rows } from "../calibration/rows.ts";
import { sharedIntegers } from "../kernel/matrix.ts";

/**
 * The rows that probes are run on: some of the calibration rows, evenly over their domains.
 * Hessians are made of the others, so that errors are seen on text that they were not fitted to.
 */
export interface ProbeRows {
  readonly samples: number;
  /** Their tokens. */
  readonly ids: Uint32Array<SharedArrayBuffer>;
  /** Tokens of the other rows; of all where the others are fewer than the probe's. */
  readonly others: Uint32Array<SharedArrayBuffer>;
  readonly domains: readonly string[];
  /** In the order of `domains`; mean over the rows 1. */
  readonly domainWeights: readonly number[];
  /** Domain of each token, as its place in `domains`. */
  readonly domainOf: Uint32Array;
  /** Weight of each token: its domain's. Mean 1. */
  readonly weights: Float64Array;
  /** The tokens, as places among the probe's, whose next-token distributions are compared. */
  readonly judged: Uint32Array<SharedArrayBuffer>;
}

/**
 * One position in so many is judged: neighbours say much the same, and the vocabulary makes them
 * dear.
 */
const judgedEvery = 4;

/** At least one row of every domain. A weight of 0 takes a domain out of the prices. */
export function probeRowsOf(
  rows: Rows,
  samples: number,
  weights: Readonly<Record<string, number>>,
): ProbeRows {
  const domains = Object.keys(rows.domains);
  const chosen: { readonly row: number; readonly domain: number }[] = [];
  const each = Math.max(1, Math.floor(samples / domains.length));
  for (const [domain, name] of domains.entries()) {
    const own = rows.rows.flatMap((row, i) => (row.domain === name ? [i] : []));
    const count = Math.min(each, own.length);
    for (let i = 0; i < count; i++)
      chosen.push({ row: own[Math.floor((i * own.length) / count)]!, domain });
  }
  const { length } = rows;
  const tokensOf = (places: readonly number[]) => {
    const ids = sharedIntegers(places.length * length);
    for (const [i, row] of places.entries())
      ids.set(rows.ids.subarray(row * length, (row + 1) * length), i * length);
    return ids;
  };
  const ids = tokensOf(chosen.map(({ row }) => row));
  const probed = new Set(chosen.map(({ row }) => row));
  const others = rows.rows.flatMap((_, row) => (probed.has(row) ? [] : [row]));
  const domainOf = new Uint32Array(ids.length);
  for (const [i, { domain }] of chosen.entries())
    domainOf.fill(domain, i * length, (i + 1) * length);
  const judged = sharedIntegers(Math.floor(ids.length / judgedEvery));
  for (let i = 0; i < judged.length; i++) judged[i] = (i + 1) * judgedEvery - 1;
  const asked = domains.map((name) => (Object.hasOwn(weights, name) ? weights[name]! : 1));
  const mean = chosen.reduce((sum, { domain }) => sum + asked[domain]!, 0) / chosen.length;
  const domainWeights = asked.map((weight) => (mean > 0 ? weight / mean : 1));
  return {
    samples: chosen.length,
    ids,
    others: others.length >= chosen.length ? tokensOf(others) : rows.ids,
    domains,
    domainWeights,
    domainOf,
    weights: Float64Array.from(domainOf, (domain) => domainWeights[domain]!),
    judged,
  };
}
