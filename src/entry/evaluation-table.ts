import { estimate, nats, ratio, share } from "../card/measured-figures.ts";
import type { Evaluation, Figures } from "../evaluation/evaluation-types.ts";

/** A proof as plain text for a terminal: figures of all rows beside plain rounding, then domains, layers and gates. */
export function formatEvaluation(evaluation: Evaluation): string {
  const { rows, rounded, byDomain, byLayer, gates, predicted } = evaluation;
  const line = (
    name: string,
    of: Figures & { routerAgreement?: number | null; exactRoutes?: number | null },
  ) => [
    name,
    estimate(of.meanKl, of.meanKlError),
    share(of.sameTop),
    String(of.perplexity),
    ratio(of.perplexityRatio, of.perplexityRatioError),
    of.routerAgreement == null ? "" : share(of.routerAgreement),
    of.exactRoutes == null ? "" : share(of.exactRoutes),
  ];
  const heads = [
    "",
    "mean KL",
    "same top",
    "perplexity",
    "ratio to base",
    "routes kept",
    "whole sets",
  ];
  const figures = [
    heads,
    line("all", evaluation),
    ...(rounded === null ? [] : [line("rounded", rounded)]),
    ...byDomain.map((domain) => line(domain.domain, domain)),
  ];
  const layers = byLayer.map(({ layer, routerAgreement, exactRoutes }) => [
    `layer ${layer}`,
    share(routerAgreement),
    share(exactRoutes),
  ]);
  return [
    `${evaluation.positions} positions: ${rows.samples} rows of ${rows.length} tokens of ${rows.source}, ${rows.sha256}`,
    aligned(figures),
    `KL: median ${nats(evaluation.medianKl)}, 99 % below ${nats(evaluation.p99Kl)}, 99.9 % below ${nats(evaluation.p999Kl)}, largest ${nats(evaluation.maxKl)}`,
    ...(byLayer.length === 0
      ? []
      : [
          `KL with the base's routes forced: ${estimate(evaluation.forcedMeanKl, evaluation.forcedMeanKlError)}`,
          aligned([["", "routes kept", "whole sets"], ...layers]),
        ]),
    ...(predicted === null
      ? []
      : [
          `the plan predicted ${nats(predicted.kl)}, ${nats(predicted.forcedKl)} with routes forced`,
        ]),
    ...gates.map(
      ({ gate, limit, value, passed }) =>
        `${passed ? "passed" : "FAILED"}  ${gate} ${limit}: ${value}`,
    ),
  ].join("\n");
}

/** Columns aligned, the first one to the left; columns that are empty throughout are left out. */
function aligned(table: readonly (readonly string[])[]): string {
  const kept = table[0]!.map((_, c) => c === 0 || table.slice(1).some((row) => row[c] !== ""));
  const cut = table.map((row) => row.filter((_, c) => kept[c]));
  const sizes = cut[0]!.map((_, c) => Math.max(...cut.map((row) => row[c]!.length)));
  const align = (cell: string, c: number) =>
    c === 0 ? cell.padEnd(sizes[c]!) : cell.padStart(sizes[c]!);
  return cut.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}
