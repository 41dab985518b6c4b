import type { CustomSeriesRenderItem } from "echarts";
import { grouped } from "../ground/digits.ts";
import { plainAxis } from "./axes.ts";
import { drawSvg, pictureWidth } from "./drawing.ts";
import { type Element, heading, marks, segment, text } from "./elements.ts";
import { placeLabels } from "./label-places.ts";
import { labelText } from "./labels.ts";
import { colors } from "./palette.ts";

export interface TierPoint {
  readonly tier: string;
  /** Of the files' tensors. */
  readonly bytes: number;
  /** Whether it is the tier that the picture stands beside. */
  readonly own: boolean;
  /** Mean KL in nats with its standard error; null where it was not measured. */
  readonly measured: Estimate | null;
  /** The same of plain rounding at the same plan. */
  readonly rounded: Estimate | null;
  /** What the plan expects, shown where nothing was measured. */
  readonly predicted: number | null;
}
export interface Estimate {
  readonly mean: number;
  /** null: not known. */
  readonly error: number | null;
}

const height = 420;
const plot = { left: 76, right: 30, top: 96, bottom: 58 };
const frame = {
  left: plot.left,
  right: pictureWidth - plot.right,
  top: plot.top,
  bottom: height - plot.bottom,
};

/** A point of the picture. */
interface Spot extends Estimate {
  readonly kind: "own" | "other" | "predicted" | "rounded";
  readonly bytes: number;
  readonly label: string;
}

/**
 * KL divergence against size, on a logarithmic scale. Points at 0 have no place on it and are left out; null where no point is left.
 */
export function drawDivergence(points: readonly TierPoint[], positions: number): string | null {
  const spots = points.flatMap(spotsOf).filter(({ mean }) => Number.isFinite(mean) && mean > 0);
  if (spots.length === 0) return null;
  const unit =
    Math.max(...spots.map(({ bytes }) => bytes)) >= 1e9
      ? { size: 1e9, name: "GB" }
      : { size: 1e6, name: "MB" };
  const size = ({ bytes }: Spot) => bytes / unit.size;
  const [left, right] = sizeRange(spots.map(size));
  const [low, high] = logRange(spots.map(({ mean }) => mean));
  const ticks = logTicks(low, high);
  const of = (...kinds: readonly Spot["kind"][]) =>
    spots.filter(({ kind }) => kinds.includes(kind));
  const curve = (some: readonly Spot[], color: string) =>
    path(
      some.map((spot) => [size(spot), spot.mean]),
      color,
    );
  const labelled = of("own", "other", "predicted", "rounded").map((spot) => ({
    spot,
    x: frame.left + ((size(spot) - left) / (right - left)) * (frame.right - frame.left),
    y: frame.top + (Math.log(high / spot.mean) / Math.log(high / low)) * (frame.bottom - frame.top),
    label: spot.label,
    prefer: spot.kind === "rounded" ? ("above" as const) : ("below" as const),
  }));
  const places = placeLabels(labelled, frame);
  return drawSvg({
    height,
    title:
      "KL divergence from the base model against size, for the tiers of the series and for plain rounding",
    option: {
      grid: plot,
      graphic: {
        elements: [
          ...heading(
            "KL divergence from the base against size",
            `Mean over ${grouped(positions)} positions of held-out text, in nats, logarithmic; lower is better. Bars: ± 1 standard error.`,
          ),
          ...marks(
            [...kinds]
              .reverse()
              .filter(({ kind }) => of(kind).length > 0)
              .map(({ kind, label }) => ({ mark: legendMark(kind), label })),
            20,
            70,
          ),
          ...labelled.map(({ spot }, at) => {
            const [x, y] = places[at]!;
            const color = spot.kind === "rounded" ? colors.muted.light : colorOf(spot);
            return text(spot.label, x, y, {
              align: "center",
              bold: spot.kind === "own",
              color,
              halo: true,
            });
          }),
        ],
      },
      xAxis: {
        ...plainAxis,
        type: "value",
        min: left,
        max: right,
        name: `Size in ${unit.name}`,
        nameLocation: "middle",
        nameGap: 32,
      },
      yAxis: {
        ...plainAxis,
        type: "log",
        min: low,
        max: high,
        axisTick: { show: false, customValues: ticks },
        axisLabel: { ...plainAxis.axisLabel, customValues: ticks, formatter: decimal },
      },
      series: [
        curve(of("rounded"), colors.rounded.light),
        curve(of("own", "other"), colors.other.light),
        bars(of("rounded", "other", "own"), size, low),
        ...kinds.map(({ kind }) => ({
          ...look(kind),
          type: "scatter",
          silent: true,
          clip: false,
          data: of(kind).map((spot) => [size(spot), spot.mean]),
        })),
      ],
    },
  });
}

function spotsOf({ tier, bytes, own, measured, rounded, predicted }: TierPoint): Spot[] {
  const spot = (kind: Spot["kind"], { mean, error }: Estimate): Spot => {
    const words = kind === "rounded" ? decimal(mean) : `${labelText(tier)} · ${decimal(mean)}`;
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

/** In the order that they are drawn in, the last on top. */
const kinds = [
  { kind: "rounded", label: "plain rounding, same plan" },
  { kind: "predicted", label: "predicted, not measured" },
  { kind: "other", label: "other tiers of the run" },
  { kind: "own", label: "this tier" },
] as const satisfies readonly { readonly kind: Spot["kind"]; readonly label: string }[];

function colorOf({ kind }: Pick<Spot, "kind">): string {
  return kind === "predicted" ? colors.other.light : colors[kind].light;
}

function look(kind: Spot["kind"]) {
  const color = colorOf({ kind });
  const full = kind === "own" || kind === "other";
  return {
    symbol: kind === "predicted" ? "diamond" : "circle",
    symbolSize: { own: 13, other: 10, predicted: 11, rounded: 9 }[kind],
    itemStyle: full
      ? { color, opacity: 1 }
      : { color: colors.panel.light, borderColor: color, borderWidth: 2, opacity: 1 },
  };
}

function legendMark(kind: Spot["kind"]): Element {
  const color = colorOf({ kind });
  const fill = kind === "own" || kind === "other" ? color : colors.panel.light;
  const style = { fill, stroke: color, lineWidth: 2 };
  const points = [
    [0, -6],
    [6, 0],
    [0, 6],
    [-6, 0],
  ];
  return kind === "predicted"
    ? { type: "polygon", silent: true, shape: { points }, style }
    : { type: "circle", silent: true, shape: { r: 4.5 }, style };
}

/** A thin line through points, from the smallest on. */
function path(points: readonly (readonly [number, number])[], stroke: string) {
  const sorted = [...points].sort(([a], [b]) => a - b);
  const renderItem: CustomSeriesRenderItem = (_, api) => ({
    type: "polyline",
    shape: { points: sorted.map((point) => api.coord([...point]) as [number, number]) },
    style: { stroke, fill: "none", lineWidth: 1, lineDash: [2, 3] },
  });
  return { type: "custom", silent: true, clip: false, renderItem, data: sorted.slice(0, 1) };
}

/** A standard error either way; one that reaches below the scale ends at its foot. */
function bars(spots: readonly Spot[], size: (spot: Spot) => number, low: number) {
  const renderItem: CustomSeriesRenderItem = ({ dataIndex }, api) => {
    const spot = spots[dataIndex]!;
    const error = spot.error ?? 0;
    const [x = 0, y1 = 0] = api.coord([size(spot), spot.mean + error]);
    const [, y2 = 0] = api.coord([size(spot), Math.max(low, spot.mean - error)]);
    const color = colorOf(spot);
    const children = [
      segment([x, y1], [x, y2], color),
      segment([x - 4, y1], [x + 4, y1], color),
      segment([x - 4, y2], [x + 4, y2], color),
    ];
    return { type: "group", children };
  };
  return {
    type: "custom",
    silent: true,
    clip: false,
    renderItem,
    data: spots.map((spot) => [size(spot), spot.mean]),
  };
}

/** The range with room for a label above and below. */
function logRange(values: readonly number[]): readonly [number, number] {
  const low = Math.log10(Math.min(...values));
  const high = Math.log10(Math.max(...values));
  const room = Math.max(0.15, (high - low) * 0.2);
  return [10 ** (low - room), 10 ** (high + room)];
}

/** 1, 2 and 5 times powers of ten; 1 alone where that is enough. */
function logTicks(low: number, high: number): number[] {
  const ticks: number[] = [];
  const factors = high / low > 1000 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    ticks.push(
      ...factors
        .map((factor) => Number(`${factor}e${power}`))
        .filter((tick) => tick >= low && tick <= high),
    );
  }
  return ticks;
}

function sizeRange(sizes: readonly number[]): readonly [number, number] {
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  const step = niceStep((high - low || high) / 6);
  return [
    Math.max(0, Math.floor((low - step / 2) / step) * step),
    Math.ceil((high + step / 2) / step) * step,
  ];
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

function decimal(value: number): string {
  return String(Number(value.toPrecision(3)));
}
