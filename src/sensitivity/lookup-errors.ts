import { sum, total } from "../ground/sum.ts";
import { asWeight, type Matrix, newMatrix, sharedFloats, type Weight } from "../kernel/matrix.ts";
import { rowOf } from "../kernel/triangle.ts";
import type { Ops } from "../models/ops.ts";
import { type Gram, traceOf } from "../quantize/hessian.ts";
import { squaredDistances } from "./powers.ts";
import type { ProbeResult } from "./probes.ts";

/**
 * Two moments of the errors e of looked-up rows, weighted as the tokens are. L is the Hessian of
 * looking up with a mean diagonal of 1, or the unit matrix.
 */
export interface LookupError {
  /** Σ e L eᵀ */
  readonly power: number;
  /** Σ |L e|² */
  readonly steep: number;
}

/** An error of looked-up rows whose results are known. */
export interface KnownError {
  readonly error: LookupError;
  readonly result: ProbeResult;
}

/** L as a weight, from its upper triangle. */
export function lookupWeight(gram: Gram): Weight {
  const { sums, columns } = gram;
  const trace = traceOf(gram);
  const factor = trace > 0 ? columns / trace : 0;
  const data = sharedFloats(columns * columns);
  for (let i = 0; i < columns; i++) {
    for (let j = i; j < columns; j++) {
      const value = factor * sums[rowOf(columns, i) + j]!;
      data[i * columns + j] = value;
      data[j * columns + i] = value;
    }
  }
  return asWeight(data, columns);
}

/**
 * The moments of the errors `e [tokens, hidden]`. `weight`: that of `lookupWeight`; null: the unit
 * matrix. `weights`: weight of each token.
 */
export async function lookupErrorOf(
  ops: Ops,
  e: Matrix,
  { weight, weights }: { readonly weight: Weight | null; readonly weights: Float64Array },
): Promise<LookupError> {
  const weighted = (values: Float64Array) => total(values.map((value, t) => value * weights[t]!));
  const zeros = newMatrix(e.rows, e.columns);
  const own = weighted(await squaredDistances(ops, e, zeros));
  if (weight === null) return { power: own, steep: own };
  const le = await ops.linear(e, weight);
  const steep = weighted(await squaredDistances(ops, le, zeros));
  const apart = weighted(await squaredDistances(ops, e, le));
  return { power: (own + steep - apart) / 2, steep };
}

/**
 * Results of an error from those of one or two others. A unit of power costs more where L is large:
 * not all that a block reads counts alike. So the results per unit of power are taken as linear in
 * steep / power, between those of the two (docs/sensitivity.md).
 */
export function lookupResult(
  error: LookupError,
  known: readonly [KnownError, ...KnownError[]],
): ProbeResult {
  const [first, last] = [known[0], known.at(-1)!];
  const ratio = ({ steep, power }: LookupError) => (power > 0 ? steep / power : 0);
  const apart = ratio(last.error) - ratio(first.error);
  const way = apart === 0 ? 0 : (ratio(error) - ratio(first.error)) / apart;
  const share = Math.min(1, Math.max(0, way));
  const ends = [
    { ...first, share: 1 - share },
    { ...last, share },
  ].map(({ error: { power }, result, share }) => {
    return { result, factor: power > 0 ? (share * error.power) / power : 0 };
  });
  const mix = (of: (result: ProbeResult) => number) =>
    sum(ends, ({ result, factor }) => factor * of(result));
  return {
    divergence: first.result.divergence.map((_, t) => mix(({ divergence }) => divergence[t]!)),
    flipPower: mix(({ flipPower }) => flipPower),
  };
}
