import { percent, short } from "./card/proof-words.ts";
import type { Figures, Proof } from "./proof/proof-types.ts";

/** A proof as plain text for a terminal: figures of all rows beside plain rounding, then domains, layers and gates. */
export function formatProof(proof: Proof): string {
  const { rows, rounded, byDomain, byLayer, gates, predicted } = proof;
  const line = (name: string, of: Figures & { routerAgreement?: number | null; exactRoutes?: number | null }) => [
    name,
    plusMinus(of.meanKl, of.meanKlError, short),
    percent(of.sameTop),
    String(of.perplexity),
    plusMinus(of.perplexityRatio, of.perplexityRatioError, (value) => value.toFixed(4)),
    of.routerAgreement == null ? "" : percent(of.routerAgreement),
    of.exactRoutes == null ? "" : percent(of.exactRoutes),
  ];
  const heads = ["", "mean KL", "same top", "perplexity", "ratio to base", "routes kept", "whole sets"];
  const figures = [
    heads,
    line("all", proof),
    ...(rounded === null ? [] : [line("rounded", rounded)]),
    ...byDomain.map((domain) => line(domain.domain, domain)),
  ];
  const layers = byLayer.map(({ layer, routerAgreement, exactRoutes }) => [
    `layer ${layer}`,
    percent(routerAgreement),
    percent(exactRoutes),
  ]);
  return [
    `${proof.positions} positions: ${rows.samples} rows of ${rows.length} tokens of ${rows.source}, ${rows.sha256}`,
    aligned(figures),
    `KL: median ${short(proof.medianKl)}, 99 % below ${short(proof.p99Kl)}, 99.9 % below ${short(proof.p999Kl)}, largest ${short(proof.maxKl)}`,
    ...(byLayer.length === 0
      ? []
      : [
          `KL with the base's routes forced: ${plusMinus(proof.forcedMeanKl, proof.forcedMeanKlError, short)}`,
          aligned([["", "routes kept", "whole sets"], ...layers]),
        ]),
    ...(predicted === null
      ? []
      : [`the plan predicted ${short(predicted.kl)}, ${short(predicted.forcedKl)} with routes forced`]),
    ...gates.map(({ gate, limit, value, passed }) => `${passed ? "passed" : "FAILED"}  ${gate} ${limit}: ${value}`),
  ].join("\n");
}

function plusMinus(value: number, error: number | null, show: (value: number) => string): string {
  return error === null ? show(value) : `${show(value)} ± ${show(error)}`;
}

/** Columns aligned, the first one to the left; columns that are empty throughout are left out. */
function aligned(table: readonly (readonly string[])[]): string {
  const kept = table[0]!.map((_, c) => c === 0 || table.slice(1).some((row) => row[c] !== ""));
  const cut = table.map((row) => row.filter((_, c) => kept[c]));
  const sizes = cut[0]!.map((_, c) => Math.max(...cut.map((row) => row[c]!.length)));
  const align = (cell: string, c: number) => (c === 0 ? cell.padEnd(sizes[c]!) : cell.padStart(sizes[c]!));
  return cut.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}
