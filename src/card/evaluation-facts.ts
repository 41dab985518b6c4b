import type { Evaluation, Figures } from "../evaluation/evaluation-types.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { unbroken } from "./choice-rows.ts";
import { domainName, domainOrder } from "./domains.ts";
import { grouped, percentage, plural } from "./figures.ts";
import { languageWords } from "./highlight-words.ts";
import { inline, shellWord } from "./markdown.ts";
import { estimate, nats, ratio, share } from "./measured-figures.ts";
import { publishedAs } from "./published.ts";
import { callOf } from "./reproduce.ts";
import { someRows } from "./wording.ts";

const gateWords: Readonly<Record<Evaluation["gates"][number]["gate"], string>> = {
  "max-kl": "mean KL, at most",
  "min-same-top": "same most likely token, at least",
  "min-router-agreement": "router agreement, at least",
};

/**
 * Facts about the evaluation. Without one, the same names with empty values: the template asks for
 * `evaluated` first.
 */
export function evaluationFacts(receipt: Receipt) {
  const { evaluation } = receipt;
  return {
    positions: grouped(evaluation?.positions ?? 0),
    rows:
      evaluation === null
        ? ""
        : `${plural(evaluation.rows.samples, "row")} of ${plural(evaluation.rows.length, "token")}`,
    scored: grouped(scoredPositions(evaluation)),
    languageWords: languageWords(receipt),
    besideWords: besideWords(evaluation),
    figures: figureRows(evaluation),
    compared: figureRows(evaluation, ({ rounded, stock }) => rounded !== "–" || stock !== "–"),
    wikitextWords: wikitextWords(evaluation),
    ...routingFacts(evaluation),
    ...sparseFacts(evaluation),
    domains: domainRows(evaluation),
    layers: layerRows(evaluation),
    predictions: predictionRows(evaluation),
    hasPredictions: evaluation !== null && evaluation.predicted !== null,
    gates: gateRows(evaluation),
    passed: evaluation?.gates.every(({ passed }) => passed) !== false,
    command: verifyCommand(receipt),
  };
}

/** Positions with a next token: the last one of a row has none. */
function scoredPositions(evaluation: Evaluation | null): number {
  if (evaluation === null) return 0;
  const { positions, rows } = evaluation;
  return positions - positions / rows.length;
}

/** The command that evaluates the repository again. */
function verifyCommand(receipt: Receipt): string {
  const { name, base, evaluationRows, wikitextRows } = receipt;
  const tier = publishedAs(receipt) || `./${name}`;
  // The receipt names a base on the Hub.
  const model = base.id === null ? ` --base ${shellWord(`./${base.name}`)}` : "";
  const source = evaluationRows?.source ?? "bundled";
  // `oqe verify` finds a text that is bundled or on the Hub by the receipt.
  const isFile = source !== "bundled" && !source.includes("/");
  const text = isFile ? ` --evaluation ${shellWord(`./${source}`)}` : "";
  const wikitext = wikitextRows ? ` --wikitext ${shellWord(`./${wikitextRows.source}`)}` : "";
  return `${callOf(receipt)} verify ${shellWord(tier)}${model}${text}${wikitext}`;
}

type Rounded = NonNullable<Evaluation["rounded"]>;

type Stock = NonNullable<Evaluation["stock"]>;

const columns = ["label", "own", "rounded", "stock"] as const;
type FigureRow = Readonly<Record<(typeof columns)[number], string>>;

/** Mean KL of what a reader could have instead, in a sentence; empty: nothing was measured. */
function besideWords(evaluation: Evaluation | null): string {
  const { rounded = null, stock = null } = evaluation ?? {};
  const of = (found: Rounded) => estimate(found.meanKl, found.meanKlError);
  const parts = [
    ...(rounded === null ? [] : [`plain rounding to the same bytes has ${of(rounded)}`]),
    ...(stock === null ? [] : [`\`mlx_lm.convert -q\` has ${of(stock)}`]),
  ];
  return parts.length === 0 ? "" : `For comparison, in mean KL ${parts.join(" and ")}.`;
}

/** The figures of the tier, or those of them that `shows` takes. */
function figureRows(
  evaluation: Evaluation | null,
  shows: (row: FigureRow) => boolean = () => true,
) {
  if (evaluation === null) return table(columns, []);
  const row = (label: string, own: string, plain: (of: Rounded | Stock) => string | null) => {
    const beside = (of: Rounded | null) => unbroken(of === null ? "–" : (plain(of) ?? "–"));
    return {
      label,
      own: unbroken(own),
      rounded: beside(evaluation.rounded),
      stock: beside(evaluation.stock),
    };
  };
  const quantile = (label: string, value: number) => row(label, nats(value), () => null);
  const rows = [
    row("Mean KL", estimate(evaluation.meanKl, evaluation.meanKlError), (of) =>
      estimate(of.meanKl, of.meanKlError),
    ),
    quantile("KL, median", evaluation.medianKl),
    quantile("KL, 99 % are below", evaluation.p99Kl),
    quantile("KL, maximum", evaluation.maxKl),
    ...(evaluation.wikitext ? [row(...wikitextRow(evaluation.wikitext))] : []),
    row("Same top token", share(evaluation.sameTop), (of) => share(of.sameTop)),
    row(
      `Perplexity (base: ${evaluation.basePerplexity.toFixed(3)})`,
      evaluation.perplexity.toFixed(3),
      // That of other rows says nothing beside it.
      (of) => (of.positions === evaluation.positions ? of.perplexity.toFixed(3) : null),
    ),
    row(
      "Perplexity ratio, tier / base",
      ratio(evaluation.perplexityRatio, evaluation.perplexityRatioError),
      (of) => ratio(of.perplexityRatio, of.perplexityRatioError),
    ),
    ...routingFigures(evaluation).map(([label, figure]) =>
      row(label, share(evaluation[figure] ?? 0), (of) => nullableShare(of[figure])),
    ),
  ];
  return table(columns, rows.filter(shows));
}

type Wikitext = NonNullable<Evaluation["wikitext"]>;

function wikitextRow({ rows, meanKl, meanKlError }: Wikitext) {
  const label = `Mean KL on WikiText-2, ${rows.length}-token chunks`;
  return [label, estimate(meanKl, meanKlError), () => null] as const;
}

/** What was measured on WikiText-2, and how; empty: nothing. */
function wikitextWords(evaluation: Evaluation | null): string {
  const found = evaluation?.wikitext;
  if (!found) return "";
  const { rows, positions, medianKl, p99Kl, maxKl, sameTop, perplexity, basePerplexity } = found;
  const chunks = `the first ${plural(rows.samples, "chunk")} of ${inline(rows.source)}`;
  return (
    `${chunks}, ${grouped(positions)} positions, as \`mlx-quant-fidelity\` takes them. ` +
    `KL: median ${nats(medianKl)}, 99 % are below ${nats(p99Kl)}, maximum ${nats(maxKl)}. ` +
    `Same top token ${unbroken(share(sameTop))}. ` +
    `Perplexity ${perplexity.toFixed(3)}, of the base ${basePerplexity.toFixed(3)}.`
  );
}

/** Names of the figures of routers; empty for a model without routers. */
function routingFigures({ routerAgreement, exactRoutes }: Evaluation) {
  if (routerAgreement === null || exactRoutes === null) return [];
  return [
    ["Router agreement", "routerAgreement"],
    ["Tokens with the same set of experts", "exactRoutes"],
  ] as const;
}

function nullableShare(value: number | null): string | null {
  return value === null ? null : share(value);
}

/** The parts of the loss from arithmetic errors and from flips. */
function routingFacts(evaluation: Evaluation | null) {
  const { meanKl, forcedMeanKl, forcedMeanKlError } = evaluation ?? {
    meanKl: 0,
    forcedMeanKl: 0,
    forcedMeanKlError: 0,
  };
  const flipped = Math.max(0, meanKl - forcedMeanKl);
  return {
    meanKl: nats(meanKl),
    forcedKl: estimate(forcedMeanKl, forcedMeanKlError),
    flippedKl: nats(flipped),
    forcedShare: percentage(meanKl - flipped, meanKl),
    flippedShare: percentage(flipped, meanKl),
    flipsCost: flipped > 0,
  };
}

/** Whether some figures are of fewer rows than the others, and of how many positions. */
function sparseFacts(evaluation: Evaluation | null) {
  const [all, forced, rounded] = [
    evaluation?.positions ?? 0,
    evaluation?.forcedPositions ?? 0,
    evaluation?.rounded?.positions ?? 0,
  ];
  return {
    forcedIsSparse: forced < all,
    forcedRows: someRows(forced, all),
    forcedPositions: grouped(forced),
    roundedIsSparse: rounded > 0 && rounded < all,
    roundedRows: someRows(rounded, all),
    roundedPositions: grouped(rounded),
  };
}

const domainKeys = [
  "domain",
  "positions",
  "meanKl",
  "sameTop",
  "basePerplexity",
  "perplexity",
  "ratio",
] as const;

function domainRows(evaluation: Evaluation | null) {
  if (evaluation === null) return table(domainKeys, []);
  const names = evaluation.byDomain.map(({ domain }) => domain);
  const row = (name: string, of: Figures) => ({
    domain: name,
    positions: grouped(of.positions),
    meanKl: estimate(of.meanKl, of.meanKlError),
    sameTop: share(of.sameTop),
    basePerplexity: of.basePerplexity.toFixed(3),
    perplexity: of.perplexity.toFixed(3),
    ratio: ratio(of.perplexityRatio, of.perplexityRatioError),
  });
  const parts = domainOrder(names).map((at) =>
    row(inline(domainName(names[at]!)), evaluation.byDomain[at]!),
  );
  return table(domainKeys, [...parts, row("**all**", evaluation)]);
}

function layerRows(evaluation: Evaluation | null) {
  return table(
    ["layer", "agreement", "exact"],
    (evaluation?.byLayer ?? []).map(({ layer, routerAgreement, exactRoutes }) => ({
      layer: grouped(layer),
      agreement: share(routerAgreement),
      exact: share(exactRoutes),
    })),
  );
}

function predictionRows(evaluation: Evaluation | null) {
  const keys = ["what", "predicted", "measured", "ratio"] as const;
  if (evaluation === null || evaluation.predicted === null) return table(keys, []);
  const { forcedKl, kl } = evaluation.predicted;
  const row = (what: string, predicted: number, measured: number) => ({
    what,
    predicted: nats(predicted),
    measured: nats(measured),
    ratio: measured > 0 ? (predicted / measured).toFixed(2) : "–",
  });
  return table(keys, [
    row(
      evaluation.routerAgreement === null ? "Mean KL" : "Mean KL, forced routes",
      forcedKl,
      evaluation.forcedMeanKl,
    ),
    ...(evaluation.routerAgreement === null
      ? []
      : [row("Mean KL, free routes", kl, evaluation.meanKl)]),
  ]);
}

function gateRows(evaluation: Evaluation | null) {
  return table(
    ["gate", "limit", "value", "outcome"],
    (evaluation?.gates ?? []).map(({ gate, limit, value, passed }) => ({
      gate: gateWords[gate],
      limit: gate === "max-kl" ? nats(limit) : share(limit),
      value: gate === "max-kl" ? nats(value) : share(value),
      outcome: passed ? "passed" : "**failed**",
    })),
  );
}
