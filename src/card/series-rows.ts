import type { Receipt, SeriesRow, TierFigures } from "../receipt/receipt.ts";
import { tierFigures } from "../receipt/series-figures.ts";
import { table } from "../template/template-shapes.ts";
import { bitsPerWeight, gibibytes, gigabytes, grouped } from "./figures.ts";
import { code } from "./markdown.ts";
import { estimate, nats, ratio, share } from "./measured-figures.ts";
import { baseBits } from "./wording.ts";

const planned = [
  "tier",
  "target",
  "budget",
  "bpw",
  "fileBpw",
  "bytes",
  "gb",
  "gib",
  "base",
  "boosts",
  "plan",
] as const;
const evaluated = ["meanKl", "sameTop", "ratio", "routers"] as const;
export type TierCells = Readonly<
  Record<(typeof planned)[number] | (typeof evaluated)[number], string>
>;

/**
 * Rows of the performance matrix, for card and job summary. `label` is the first cell, in Markdown.
 * A tier without figures shows the prediction of its plan, if there is one.
 */
export function tierRows(
  series: readonly SeriesRow[],
  figures: readonly TierFigures[],
  label: (row: SeriesRow) => string,
): readonly TierCells[] {
  return table(
    [...planned, ...evaluated],
    series.map((row) => ({
      tier: label(row),
      target: bitsPerWeight(row.targetBpw),
      budget: row.budgetBpw === null ? "–" : bitsPerWeight(row.budgetBpw),
      bpw: bitsPerWeight(row.bpw),
      fileBpw: bitsPerWeight(row.fileBpw),
      bytes: grouped(row.bytes),
      gb: gigabytes(row.bytes),
      gib: gibibytes(row.bytes),
      base: `${baseBits({ plan: row })}-bit`,
      boosts: grouped(row.boosts),
      plan: code(row.plan),
      ...evaluatedCells(
        row,
        figures.find(({ tier }) => tier === row.tier),
      ),
    })),
  );
}

/** Figures of the tiers of a series, from the receipts of some of them. */
export function knownFigures(receipts: readonly Receipt[]): readonly TierFigures[] {
  const own = receipts.flatMap(({ plan, evaluation }) =>
    evaluation === null ? [] : [tierFigures(plan.tier, evaluation)],
  );
  return [...own, ...receipts.flatMap(({ otherTiers }) => otherTiers)];
}

function evaluatedCells({ predicted }: SeriesRow, figures: TierFigures | undefined) {
  if (figures === undefined) {
    const meanKl = predicted === null ? "–" : `${nats(predicted.kl)} (predicted)`;
    return { meanKl, sameTop: "–", ratio: "–", routers: "–" };
  }
  const { meanKl, meanKlError, sameTop, perplexityRatio, perplexityRatioError, routerAgreement } =
    figures;
  return {
    meanKl: estimate(meanKl, meanKlError),
    sameTop: share(sameTop),
    ratio: ratio(perplexityRatio, perplexityRatioError),
    routers: routerAgreement === null ? "–" : share(routerAgreement),
  };
}
