import { grouped, threeDigits } from "../ground/digits.ts";
import { scaleAxis } from "./axes.ts";
import { dottedPath, errorBars } from "./curve.ts";
import { type Drawing, pictureWidth } from "./drawing.ts";
import { type Element, heading, marks, text } from "./elements.ts";
import { type Frame, placeLabels } from "./label-places.ts";
import { labelText } from "./labels.ts";
import { colors } from "./palette.ts";
import { linearScale, logScale } from "./scales.ts";

export interface TierPoint {
  readonly tier: string;
  /** Bytes of all tensors in the files. */
  readonly bytes: number;
  /** Whether it is the tier of the card with this picture. */
  readonly own: boolean;
  /** Mean KL divergence in nats with its standard error. null: not measured. */
  readonly measured: Estimate | null;
  /** The same for plain rounding with the same plan. */
  readonly rounded: Estimate | null;
  /** Prediction of the plan, shown if nothing was measured. */
  readonly predicted: number | null;
}
/** The quant that stock tools make by default. */
export interface StockPoint extends Estimate {
  readonly bytes: number;
}

export interface Estimate {
  readonly mean: number;
  /** null: not known. */
  readonly error: number | null;
}

/** Pixels of the plot and of what is around it. */
const plot = { left: 66, right: 26, height: 290, below: 54 };

/** A point of the picture. */
interface Spot extends Estimate {
  readonly kind: "own" | "other" | "predicted" | "rounded" | "stock";
  readonly bytes: number;
  readonly label: string;
}

/**
 * KL divergence against size, on a logarithmic scale. Points at 0 have no place on it and are left
 * out. null: no point is left.
 */
export function divergenceDrawing(
  points: readonly TierPoint[],
  positions: number,
  stock: StockPoint | null = null,
): Drawing | null {
  const spots = [...points.flatMap(spotsOf), ...stockSpots(stock)].filter(
    ({ mean }) => Number.isFinite(mean) && mean > 0,
  );
  if (spots.length === 0) return null;
  const unit = unitOf(spots);
  const sizes = linearScale(spots.map(({ bytes }) => bytes / unit.size));
  const means = logScale(spots.map(({ mean }) => mean));
  const at: PlaceOf = ({ bytes, mean }) => [sizes.place(bytes / unit.size), means.place(mean)];
  const own = words(positions);
  const signs = legend(spots, own.bottom + 12);
  const top = signs.bottom + 14;
  const frame = {
    ...{ left: plot.left, right: pictureWidth - plot.right },
    ...{ top, bottom: top + plot.height },
  };
  const of = (...some: readonly Spot["kind"][]) => spots.filter(({ kind }) => some.includes(kind));
  return {
    height: frame.bottom + plot.below,
    title: "KL divergence from the base model against size, for the tiers and for plain rounding",
    option: {
      grid: { left: plot.left, right: plot.right, top, height: plot.height },
      graphic: {
        elements: [
          ...own.elements,
          ...signs.elements,
          ...labels(of("own", "other", "predicted", "stock", "rounded"), at, frame),
        ],
      },
      xAxis: scaleAxis(sizes, {
        name: `Size in ${unit.name}`,
        nameLocation: "middle",
        nameGap: 32,
      }),
      yAxis: scaleAxis(means),
      series: [
        dottedPath(of("rounded").map(at), colors.rounded.light),
        dottedPath(of("own", "other").map(at), colors.other.light),
        errorBars(of("rounded", "stock", "other", "own"), { at, means, colorOf, cap: 4 }),
        ...kinds.map(({ kind }) => scatter(kind, of(kind).map(at))),
      ],
    },
  };
}

/** Place of a spot on the two axes, each from 0 to 1. */
type PlaceOf = (spot: Spot) => readonly [number, number];

/** The unit in which the largest of some sizes is at least 1. */
export function unitOf(spots: readonly { readonly bytes: number }[]) {
  const largest = Math.max(...spots.map(({ bytes }) => bytes));
  return largest >= 1e9 ? { size: 1e9, name: "GB" } : { size: 1e6, name: "MB" };
}

function words(positions: number) {
  return heading(
    "KL divergence from the base against size",
    `Mean over ${grouped(positions)} positions of held-out text, in nats, logarithmic; ` +
      "lower is better. Bars: ± 1 standard error.",
  );
}

/** The kinds of spots that the picture has. */
function legend(spots: readonly Spot[], y: number) {
  const used = [...kinds].reverse().filter(({ kind }) => spots.some((spot) => spot.kind === kind));
  const rows = used.map(({ kind, label }) => ({ mark: legendMark(kind), label }));
  return marks(rows, y);
}

function labels(spots: readonly Spot[], at: PlaceOf, frame: Frame) {
  const wanted = spots.map((spot) => {
    const [x, y] = at(spot);
    return {
      x: frame.left + x * (frame.right - frame.left),
      y: frame.bottom - y * (frame.bottom - frame.top),
      label: spot.label,
      prefer: spot.kind === "rounded" ? ("above" as const) : ("below" as const),
    };
  });
  const places = placeLabels(wanted, frame);
  return spots.map((spot, index) => {
    const [x, y] = places[index]!;
    const color = spot.kind === "rounded" ? colors.muted.light : colorOf(spot);
    const bold = spot.kind === "own";
    return text(spot.label, x, y, { align: "center", bold, color, halo: true });
  });
}

function scatter(kind: Spot["kind"], data: readonly (readonly [number, number])[]) {
  return { ...look(kind), type: "scatter", silent: true, clip: false, data };
}

function spotsOf({ tier, bytes, own, measured, rounded, predicted }: TierPoint): Spot[] {
  const spot = (kind: Spot["kind"], { mean, error }: Estimate): Spot => {
    const words =
      kind === "rounded" ? threeDigits(mean) : `${labelText(tier)} · ${threeDigits(mean)}`;
    return { kind, bytes, mean, error, label: words };
  };
  return [
    ...(measured === null ? [] : [spot(own ? "own" : "other", measured)]),
    ...(measured === null && predicted !== null
      ? [spot("predicted", { mean: predicted, error: null })]
      : []),
    ...(rounded === null ? [] : [spot("rounded", rounded)]),
  ];
}

function stockSpots(stock: StockPoint | null): Spot[] {
  if (stock === null) return [];
  return [{ kind: "stock", label: threeDigits(stock.mean), ...stock }];
}

/** In drawing order, the last on top. */
const kinds = [
  { kind: "rounded", label: "plain rounding, same plan" },
  { kind: "stock", label: "mlx_lm.convert -q" },
  { kind: "predicted", label: "predicted, not measured" },
  { kind: "other", label: "other tiers of the run" },
  { kind: "own", label: "this tier" },
] as const satisfies readonly { readonly kind: Spot["kind"]; readonly label: string }[];

function colorOf({ kind }: Pick<Spot, "kind">): string {
  return kind === "predicted" ? colors.other.light : colors[kind].light;
}

function isFull(kind: Spot["kind"]): boolean {
  return kind === "own" || kind === "other" || kind === "stock";
}

function look(kind: Spot["kind"]) {
  const color = colorOf({ kind });
  const full = isFull(kind);
  return {
    symbol: kind === "predicted" ? "diamond" : kind === "stock" ? "rect" : "circle",
    symbolSize: { own: 13, other: 10, predicted: 11, rounded: 9, stock: 10 }[kind],
    itemStyle: full
      ? { color, opacity: 1 }
      : { color: colors.panel.light, borderColor: color, borderWidth: 2, opacity: 1 },
  };
}

function legendMark(kind: Spot["kind"]): Element {
  const color = colorOf({ kind });
  const fill = isFull(kind) ? color : colors.panel.light;
  const style = { fill, stroke: color, lineWidth: 2 };
  const points = [
    [0, -6],
    [6, 0],
    [0, 6],
    [-6, 0],
  ];
  if (kind === "stock") {
    const shape = { x: -4.5, y: -4.5, width: 9, height: 9 };
    return { type: "rect", silent: true, shape, style };
  }
  return kind === "predicted"
    ? { type: "polygon", silent: true, shape: { points }, style }
    : { type: "circle", silent: true, shape: { r: 4.5 }, style };
}
