import { threeDigits } from "../ground/digits.ts";
import { scaleAxis } from "./axes.ts";
import { dottedPath, errorBars } from "./curve.ts";
import { unitOf } from "./divergence-picture.ts";
import { type Drawing, pictureWidth } from "./drawing.ts";
import { type Element, heading, marks, text } from "./elements.ts";
import { placeLabels } from "./label-places.ts";
import { labelText } from "./labels.ts";
import { type Color, colors, lineColors } from "./palette.ts";
import { linearScale, logScale, type Scale } from "./scales.ts";

/** A quant of a model, with its mean KL divergence from that model. */
export interface SeriesPoint {
  readonly tier: string;
  /** Bytes of all tensors in the files. */
  readonly bytes: number;
  /** Nats, with the standard error; null: not known. */
  readonly mean: number;
  readonly error: number | null;
  /** Whether stock tools make it. */
  readonly isStock: boolean;
}

/** The quants of one model. The name is text of others. */
export interface SeriesLine {
  readonly name: string;
  readonly points: readonly SeriesPoint[];
}

/** Pixels of the plot and of what is around it. */
const plot = { left: 66, right: 26, height: 300, below: 54 };
/** Of more points, only marks are drawn: their labels would cover each other. */
const mostLabels = 16;
/** Models with a color and a place in the legend. The others are grey. */
const mostNamed = 2 * lineColors.length;
/** Sizes that differ by more than this factor are on a logarithmic axis. */
const mostLinear = 8;

interface Spot extends SeriesPoint {
  readonly line: number;
}

/**
 * KL divergence against size for the series of many models, on a logarithmic scale. Points at 0
 * have no place on it and are left out. null: no point is left.
 */
export function seriesDrawing(lines: readonly SeriesLine[]): Drawing | null {
  const spots: readonly Spot[] = lines.flatMap(({ points }, line) =>
    points
      .filter(({ mean, bytes }) => Number.isFinite(mean) && mean > 0 && bytes > 0)
      .map((point) => ({ ...point, line })),
  );
  if (spots.length === 0) return null;
  const unit = unitOf(spots);
  const { scale: sizes, isLog } = sizeScale(spots.map(({ bytes }) => bytes / unit.size));
  const means = logScale(spots.map(({ mean }) => mean));
  const at = ({ bytes, mean }: Spot) =>
    [sizes.place(bytes / unit.size), means.place(mean)] as const;
  const head = heading(
    "KL divergence from each base against size",
    "Mean in nats, logarithmic; lower is better. Bars: ± 1 standard error.",
  );
  const signs = legend(lines, spots, head.bottom + 12);
  const top = signs.bottom + 14;
  return {
    height: top + plot.height + plot.below,
    title: "KL divergence from the base model against size, for the tiers of every model",
    option: {
      grid: { left: plot.left, right: plot.right, top, height: plot.height },
      graphic: {
        elements: [...head.elements, ...signs.elements, ...labels(spots, at, top)],
      },
      xAxis: scaleAxis(sizes, {
        name: `Size in ${unit.name}${isLog ? ", logarithmic" : ""}`,
        nameLocation: "middle",
        nameGap: 32,
      }),
      yAxis: scaleAxis(means),
      series: [
        ...lines.map((_, line) =>
          dottedPath(
            spots.filter((spot) => spot.line === line && !spot.isStock).map(at),
            colorOf(line).light,
          ),
        ),
        errorBars(spots, { at, means, colorOf: ({ line }) => colorOf(line).light, cap: 0 }),
        ...spots.map((spot) => ({
          ...markOf(spot),
          ...{ type: "scatter", silent: true, clip: false, data: [at(spot)] },
        })),
      ],
    },
  };
}

type PlaceOf = (spot: Spot) => readonly [number, number];

function sizeScale(sizes: readonly number[]): { readonly scale: Scale; readonly isLog: boolean } {
  const isLog = Math.max(...sizes) > mostLinear * Math.min(...sizes);
  return { scale: isLog ? logScale(sizes) : linearScale(sizes), isLog };
}

function colorOf(line: number): Color {
  return line < mostNamed ? lineColors[line % lineColors.length]! : colors.rounded;
}

/** Models of the same color have another mark. Quants of stock tools are hollow squares. */
function markOf({ line, isStock }: Pick<Spot, "line" | "isStock">) {
  const color = colorOf(line).light;
  const symbol = isStock ? "rect" : line < lineColors.length ? "circle" : "diamond";
  const itemStyle = isStock
    ? { color: colors.panel.light, borderColor: color, borderWidth: 2, opacity: 1 }
    : { color, opacity: 1 };
  return { symbol, symbolSize: symbol === "diamond" ? 13 : isStock ? 9 : 11, itemStyle };
}

function legend(lines: readonly SeriesLine[], spots: readonly Spot[], y: number) {
  const shown = lines.flatMap(({ name }, line) =>
    line < mostNamed && spots.some((spot) => spot.line === line)
      ? [{ mark: legendMark(line), label: labelText(name, pictureWidth - 80) }]
      : [],
  );
  const others = new Set(spots.map(({ line }) => line).filter((line) => line >= mostNamed)).size;
  return marks(
    [
      ...shown,
      ...(others === 0 ? [] : [{ mark: legendMark(mostNamed), label: `${others} more` }]),
      ...(spots.some(({ isStock }) => isStock)
        ? [{ mark: stockMark, label: "mlx_lm.convert -q" }]
        : []),
    ],
    y,
  );
}

function legendMark(line: number): Element {
  const style = { fill: colorOf(line).light };
  const points = [
    [0, -6],
    [6, 0],
    [0, 6],
    [-6, 0],
  ];
  return line < lineColors.length
    ? { type: "circle", silent: true, shape: { r: 5 }, style }
    : { type: "polygon", silent: true, shape: { points }, style };
}

const stockMark: Element = {
  type: "rect",
  silent: true,
  shape: { x: -4, y: -4, width: 8, height: 8 },
  style: { fill: colors.panel.light, stroke: colors.muted.light, lineWidth: 2 },
};

function labels(spots: readonly Spot[], at: PlaceOf, top: number): readonly Element[] {
  const named = spots.filter(({ isStock }) => !isStock);
  if (named.length > mostLabels) return [];
  const isAlone = new Set(named.map(({ line }) => line)).size === 1;
  const frame = {
    ...{ left: plot.left, right: pictureWidth - plot.right },
    ...{ top, bottom: top + plot.height },
  };
  const wanted = named.map((spot) => {
    const [x, y] = at(spot);
    const tier = labelText(spot.tier, 90);
    return {
      x: frame.left + x * (frame.right - frame.left),
      y: frame.bottom - y * plot.height,
      label: isAlone ? `${tier} · ${threeDigits(spot.mean)}` : tier,
      prefer: "below" as const,
    };
  });
  return placeLabels(wanted, frame).map(([x, y], index) =>
    text(wanted[index]!.label, x, y, {
      align: "center",
      color: colorOf(named[index]!.line).light,
      halo: true,
    }),
  );
}
