import type { Evaluation } from "../evaluation/evaluation-types.ts";
import { estimate, nats, ratio, share } from "./measured-figures.ts";

/**
 * One line for logs: `KL 0.0144 ± 0.0004 (0.0081 with forced routes), same top 91.30 %, perplexity
 * × 1.0110, router agreement 95.66 %`.
 */
export function evaluationWords(evaluation: Evaluation): string {
  const { meanKl, meanKlError, forcedMeanKl, sameTop, perplexityRatio, routerAgreement } =
    evaluation;
  const arithmetic = routerAgreement === null ? "" : ` (${nats(forcedMeanKl)} with forced routes)`;
  const routes = routerAgreement === null ? "" : `, router agreement ${share(routerAgreement)}`;
  return (
    `KL ${estimate(meanKl, meanKlError)}${arithmetic}, same top ${share(sameTop)}, ` +
    `perplexity × ${ratio(perplexityRatio, null)}${routes}`
  );
}
