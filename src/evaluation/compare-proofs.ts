import type { Evaluation } from "./evaluation-types.ts";

/**
 * Standard errors by which a mean KL must be higher to count as worse. Of two equal tiers whose
 * errors are independent, one in forty-four looks worse by chance.
 */
export const errorsApart = 2;

/** A new evaluation of a tier against the published one. KL and error in nats. */
export type ProofComparison =
  | { readonly verdict: "not comparable"; readonly why: string }
  | {
      readonly verdict: "worse" | "not worse";
      /** New mean KL less the published one. */
      readonly difference: number;
      /** Standard error of the difference, if both evaluations were independent. */
      readonly error: number;
    };

/** The part of an evaluation that is compared. */
export type Proof = Pick<Evaluation, "rows" | "meanKl" | "meanKlError">;

/**
 * The new tier is worse if `new − published > 2 √(e₁² + e₂²)`, with the standard errors e of both
 * mean KLs over the same rows. On the same rows the errors of both agree in part, so the real error
 * of the difference is smaller: the test is careful not to hold a good tier back.
 */
export function compareProofs(fresh: Proof, published: Proof): ProofComparison {
  const { sha256, samples, length } = published.rows;
  const isSame =
    fresh.rows.sha256 === sha256 && fresh.rows.samples === samples && fresh.rows.length === length;
  if (!isSame) return { verdict: "not comparable", why: "they were evaluated on different rows" };
  if (fresh.meanKlError === null || published.meanKlError === null)
    return { verdict: "not comparable", why: "an evaluation of one row has no error" };
  const difference = fresh.meanKl - published.meanKl;
  const error = Math.hypot(fresh.meanKlError, published.meanKlError);
  return { verdict: difference > errorsApart * error ? "worse" : "not worse", difference, error };
}
