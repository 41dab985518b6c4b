import type { Evaluation } from "../evaluation/evaluation-types.ts";
import type { Field } from "../ground/json-field.ts";
import type { Receipt, TierFigures } from "./receipt.ts";

/** Tells every receipt of a run what was measured of the others, in the order of the series. */
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

/** The matrix's part of a proof. */
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
    rounded: rounded === null ? null : { meanKl: rounded.meanKl, meanKlError: rounded.meanKlError },
  };
}

/** Receipts of earlier versions have none. */
export function readOtherTiers(
  field: Field,
  own: string,
  series: Receipt["series"],
): readonly TierFigures[] {
  if (field.value === undefined) return [];
  const others = series.map(({ tier }) => tier).filter((tier) => tier !== own);
  const figures = field.list((item) => ({
    tier: item.at("tier").oneOf(others),
    meanKl: item.at("meanKl").number(),
    meanKlError: readError(item.at("meanKlError")),
    sameTop: item.at("sameTop").share(),
    perplexityRatio: item.at("perplexityRatio").number(),
    perplexityRatioError: readError(item.at("perplexityRatioError")),
    routerAgreement:
      item.at("routerAgreement").value === null ? null : item.at("routerAgreement").share(),
    rounded: item.at("rounded").value === null ? null : readRounded(item.at("rounded")),
  }));
  if (new Set(figures.map(({ tier }) => tier)).size < figures.length)
    field.fail("tiers, each once");
  return figures;
}

function readRounded(field: Field): TierFigures["rounded"] {
  return { meanKl: field.at("meanKl").number(), meanKlError: readError(field.at("meanKlError")) };
}

function readError(field: Field): number | null {
  return field.value === null ? null : field.number();
}
