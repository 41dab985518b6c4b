import { bitsDrawing } from "../chart/bits-picture.ts";
import { divergenceDrawing } from "../chart/divergence-picture.ts";
import { type Drawing, drawPlaceholder, drawSvg } from "../chart/drawing.ts";
import { expertsDrawing } from "../chart/experts-picture.ts";
import { languagesDrawing } from "../chart/languages-picture.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { namedExperts } from "../receipt/sensitivity-record.ts";
import { tierFigures } from "../receipt/series-figures.ts";
import { domainName, domainOrder } from "./domains.ts";
import { nats } from "./measured-figures.ts";
import { roleWidths } from "./role-widths.ts";

/** The pictures that a card can have, as files beside it. */
export const picturePaths = [
  "oqe-kl.svg",
  "oqe-bits.svg",
  "oqe-experts.svg",
  "oqe-languages.svg",
] as const;
export type PicturePath = (typeof picturePaths)[number];

/** A picture as the card names it. */
export interface PictureName {
  readonly path: PicturePath;
  /** Description of the picture, in plain text. */
  readonly alt: string;
}

export interface CardPicture extends PictureName {
  readonly svg: string;
  /** Why the picture could not be drawn; `svg` is then a placeholder. null: it was drawn. */
  readonly failure: string | null;
}

/** More tiers than a series has. A receipt that was tampered with may hold any number. */
const mostTiers = 32;

const pictures: readonly {
  readonly path: PicturePath;
  readonly words: (receipt: Receipt) => string;
  /** null: the receipt has no figures for this picture. */
  readonly draw: (receipt: Receipt) => Drawing | null;
}[] = [
  { path: "oqe-kl.svg", words: divergenceWords, draw: divergence },
  {
    path: "oqe-bits.svg",
    words: () => "Heat strips: bits of each quantized module, by role and layer",
    draw: bits,
  },
  { path: "oqe-experts.svg", words: expertWords, draw: experts },
  { path: "oqe-languages.svg", words: languageWords, draw: languagePicture },
];

/**
 * The pictures of a tier that its receipt has figures for, drawn from the receipt alone.
 * Never throws: a picture that cannot be drawn becomes a placeholder that states its `failure`.
 */
export function drawPictures(receipt: Receipt): readonly CardPicture[] {
  return pictures.flatMap(({ path, words, draw }): CardPicture[] => {
    try {
      const drawing = draw(receipt);
      if (drawing === null) return [];
      return [{ path, alt: words(receipt), svg: drawSvg(drawing), failure: null }];
    } catch (cause) {
      const { alt } = unknownPicture(path);
      const failure = `${path}: ${reasonOf(cause)}`;
      return [{ path, alt, svg: drawPlaceholder(alt), failure }];
    }
  });
}

/**
 * The pictures that `drawPictures` gives, without drawing them: drawing takes longer than all else
 * about a card. Never throws.
 */
export function namePictures(receipt: Receipt): readonly PictureName[] {
  return pictures.flatMap(({ path, words, draw }): PictureName[] => {
    try {
      return draw(receipt) === null ? [] : [{ path, alt: words(receipt) }];
    } catch {
      return [unknownPicture(path)];
    }
  });
}

function unknownPicture(path: PicturePath): PictureName {
  return { path, alt: `${path} could not be drawn` };
}

function divergence({ series, plan, evaluation, otherTiers }: Receipt): Drawing | null {
  if (evaluation === null) return null;
  const figures = [tierFigures(plan.tier, evaluation), ...otherTiers];
  const points = series.slice(0, mostTiers).map(({ tier, bytes, predicted }) => {
    const found = figures.find((figure) => figure.tier === tier);
    const estimate = (of: { meanKl: number; meanKlError: number | null } | null | undefined) =>
      of ? { mean: of.meanKl, error: of.meanKlError } : null;
    const own = tier === plan.tier;
    return {
      tier,
      bytes,
      own,
      measured: estimate(found),
      rounded: estimate(found?.rounded),
      predicted: predicted?.kl ?? null,
    };
  });
  const { stock } = evaluation;
  const beside = stock && { bytes: stock.bytes, mean: stock.meanKl, error: stock.meanKlError };
  return divergenceDrawing(points, evaluation.positions, beside);
}

function divergenceWords({ series, plan, evaluation, otherTiers }: Receipt): string {
  if (evaluation === null) return "";
  const figures = [tierFigures(plan.tier, evaluation), ...otherTiers];
  const inOrder = series.flatMap((row) => figures.filter(({ tier }) => tier === row.tier));
  const told = inOrder.map(({ tier, meanKl, rounded }) => {
    const beside = rounded === null ? "" : ` (plain rounding ${nats(rounded.meanKl)})`;
    return `${tier} ${nats(meanKl)}${beside}`;
  });
  const { stock } = evaluation;
  if (stock !== null) told.push(`mlx_lm.convert -q ${nats(stock.meanKl)}`);
  return `Mean KL divergence from the base against size: ${told.join(", ")}`;
}

function bits(receipt: Receipt): Drawing | null {
  const { rows, layers } = roleWidths(receipt);
  return bitsDrawing(rows, layers);
}

function experts({ sensitivity }: Receipt): Drawing | null {
  if (sensitivity === null) return null;
  const { domains, experts: layers, critical, probe } = sensitivity;
  const order = domainOrder(domains);
  return expertsDrawing(
    layers.map(({ layer, share, damage }) => ({
      layer,
      share,
      damage: order.map((domain) => damage[domain]!),
    })),
    order.map((domain) => domainName(domains[domain]!)),
    domains.flatMap((domain) =>
      critical.filter((expert) => expert.domain === domain).slice(0, namedExperts),
    ),
    probe.bits,
  );
}

function expertWords({ sensitivity }: Receipt): string {
  const layers = sensitivity?.experts.length ?? 0;
  return (
    `Maps of ${layers} layers of routed experts: how often each expert is chosen, ` +
    "and the damage to each domain from quantizing a layer's experts"
  );
}

function languagePicture({ evaluation }: Receipt): Drawing | null {
  if (evaluation === null) return null;
  const names = evaluation.byDomain.map(({ domain }) => domain);
  const whole = {
    name: "all",
    ratio: evaluation.perplexityRatio,
    error: evaluation.perplexityRatioError,
    whole: true,
  };
  const parts = domainOrder(names).map((at) => {
    const { domain, perplexityRatio, perplexityRatioError } = evaluation.byDomain[at]!;
    return {
      name: domainName(domain),
      ratio: perplexityRatio,
      error: perplexityRatioError,
      whole: false,
    };
  });
  return languagesDrawing([whole, ...parts]);
}

function languageWords({ evaluation }: Receipt): string {
  if (evaluation === null) return "";
  const told = domainOrder(evaluation.byDomain.map(({ domain }) => domain)).map((at) => {
    const { domain, perplexityRatio } = evaluation.byDomain[at]!;
    return `${domainName(domain)} ${perplexityRatio.toFixed(3)}`;
  });
  const all = evaluation.perplexityRatio.toFixed(3);
  return `Perplexity divided by that of the base: all ${all}, ${told.join(", ")}`;
}
