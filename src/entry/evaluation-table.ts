import { estimate, nats, ratio, share } from "../card/measured-figures.ts";
import type { Evaluation, Figures } from "../evaluation/evaluation-types.ts";
import { wrap } from "../ground/wrap.ts";

const heads = [
  ...["", "mean KL", "same top", "perplexity"],
  ...["ratio to base", "router agreement", "exact routes"],
];

/**
 * An evaluation as text for a terminal of `width` columns: figures of all rows and of plain
 * rounding, then by domain, on WikiText-2 and by layer, then the gates.
 */
export function formatEvaluation(evaluation: Evaluation, width: number): string {
  const { positions, rows, rounded, byDomain, wikitext, gates, predicted } = evaluation;
  const figures = [
    heads,
    figuresOf("all", evaluation),
    ...(rounded === null ? [] : [figuresOf("rounded", rounded)]),
    ...byDomain.map((domain) => figuresOf(domain.domain, domain)),
    ...(wikitext ? [figuresOf("WikiText-2", wikitext)] : []),
  ];
  const text = `${rows.samples} rows of ${rows.length} tokens of ${rows.source}, ${rows.sha256}`;
  return [
    ...wrap(`${positions} positions: ${text}`, width),
    aligned(figures, width),
    spreadOf(evaluation),
    ...formatRoutes(evaluation),
    ...(predicted === null ? [] : [predictionOf(predicted)]),
    ...gates.map(
      ({ gate, limit, value, passed }) =>
        `${passed ? "passed" : "FAILED"}  ${gate} ${limit}: ${value}`,
    ),
  ].join("\n");
}

function figuresOf(
  name: string,
  of: Figures & { routerAgreement?: number | null; exactRoutes?: number | null },
): string[] {
  return [
    name,
    estimate(of.meanKl, of.meanKlError),
    share(of.sameTop),
    String(of.perplexity),
    ratio(of.perplexityRatio, of.perplexityRatioError),
    of.routerAgreement == null ? "" : share(of.routerAgreement),
    of.exactRoutes == null ? "" : share(of.exactRoutes),
  ];
}

function spreadOf({ medianKl, p99Kl, p999Kl, maxKl }: Evaluation): string {
  const tail = `99 % below ${nats(p99Kl)}, 99.9 % below ${nats(p999Kl)}, largest ${nats(maxKl)}`;
  return `KL: median ${nats(medianKl)}, ${tail}`;
}

function predictionOf({ kl, forcedKl }: NonNullable<Evaluation["predicted"]>): string {
  return `the plan predicted ${nats(kl)}, ${nats(forcedKl)} with routes forced`;
}

/** How the routers chose, layer by layer; nothing for a model without experts. */
function formatRoutes(evaluation: Evaluation): string[] {
  const { byLayer, forcedMeanKl, forcedMeanKlError, forcedPositions, positions } = evaluation;
  if (byLayer.length === 0) return [];
  const some = forcedPositions < positions ? `, on ${forcedPositions} positions` : "";
  const layers = byLayer.map(({ layer, routerAgreement, exactRoutes }) => [
    `layer ${layer}`,
    share(routerAgreement),
    share(exactRoutes),
  ]);
  return [
    `KL with the base's routes forced${some}: ${estimate(forcedMeanKl, forcedMeanKlError)}`,
    aligned([["", "router agreement", "exact routes"], ...layers], Number.POSITIVE_INFINITY),
  ];
}

/** Left out, in this order, where a terminal is too narrow: other figures say nearly the same. */
const lessNeeded = ["perplexity", "exact routes"];

/** Aligned columns, the first to the left. Columns without any content are left out. */
function aligned(
  table: readonly (readonly string[])[],
  width: number,
  without: readonly string[] = [],
): string {
  const filled = table[0]!.map(
    (head, c) =>
      (c === 0 || table.slice(1).some((row) => row[c] !== "")) && !without.includes(head),
  );
  const cut = table.map((row) => row.filter((_, c) => filled[c]));
  const sizes = cut[0]!.map((_, c) => Math.max(...cut.map((row) => row[c]!.length)));
  const align = (cell: string, c: number) =>
    c === 0 ? cell.padEnd(sizes[c]!) : cell.padStart(sizes[c]!);
  const next = lessNeeded[without.length];
  const total = sizes.reduce((sum, size) => sum + size + 2, -2);
  if (total > width && next !== undefined) return aligned(table, width, [...without, next]);
  return cut.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}
