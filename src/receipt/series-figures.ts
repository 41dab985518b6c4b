import type { Evaluation } from "../evaluation/evaluation-types.ts";
import type { Receipt, TierFigures } from "./receipt.ts";

/** Copies the evaluation of each tier to the receipts of the others, in the order of the series. */
export function shareFigures(receipts: readonly Receipt[]): readonly Receipt[] {
  return receipts.map((receipt) => ({
    ...receipt,
    otherTiers: receipt.series.flatMap(({ tier }) => {
      const other = receipts.find(({ plan }) => plan.tier === tier);
      return tier === receipt.plan.tier || !other?.evaluation
        ? []
        : [tierFigures(tier, other.evaluation)];
    }),
  }));
}

/** The part of an evaluation that the performance matrix shows. */
export function tierFigures(tier: string, evaluation: Evaluation): TierFigures {
  const {
    meanKl,
    meanKlError,
    sameTop,
    perplexityRatio,
    perplexityRatioError,
    routerAgreement,
    rounded,
  } = evaluation;
  return {
    ...{
      tier,
      meanKl,
      meanKlError,
      sameTop,
      perplexityRatio,
      perplexityRatioError,
      routerAgreement,
    },
    heldBack: evaluation.gates.some(({ passed }) => !passed),
    rounded: rounded === null ? null : { meanKl: rounded.meanKl, meanKlError: rounded.meanKlError },
  };
}
