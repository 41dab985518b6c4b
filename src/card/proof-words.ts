import type { Proof } from "../proof/proof-types.ts";

/** `KL 0.0144 ± 0.0004 (0.0081 by arithmetic), same top 91.30 %, perplexity × 1.011, routes kept 95.66 %`: for logs and terminals. */
export function proofWords(proof: Proof): string {
  const { meanKl, meanKlError, forcedMeanKl, sameTop, perplexityRatio, routerAgreement } = proof;
  const spread = meanKlError === null ? "" : ` ± ${short(meanKlError)}`;
  const arithmetic = routerAgreement === null ? "" : ` (${short(forcedMeanKl)} with the base's routes)`;
  const routes = routerAgreement === null ? "" : `, routes kept ${percent(routerAgreement)}`;
  return `KL ${short(meanKl)}${spread}${arithmetic}, same top ${percent(sameTop)}, perplexity × ${perplexityRatio.toFixed(4)}${routes}`;
}

/** Three digits. */
export function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
