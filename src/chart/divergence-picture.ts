import type { CustomSeriesRenderItem } from "echarts";
import { grouped } from "../grouped.ts";
import { plainAxis } from "./axes.ts";
import { drawSvg, labelText } from "./drawing.ts";
import { type Element, heading, marks, segment } from "./elements.ts";
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

/**
 * KL divergence against size, on a logarithmic scale. Points at 0 have no place on it and are left out; null where no point is left.
 */
export function drawDivergence(points: readonly TierPoint[], positions: number): string | null {
  const shown = points.filter(({ measured, rounded, predicted }) =>
    [measured?.mean, rounded?.mean, predicted].some(isPlaced),
  );
  const values = shown.flatMap(({ measured, rounded, predicted }) =>
    [measured?.mean, rounded?.mean, measured === null ? predicted : null].filter(isPlaced),
  );
  if (values.length === 0) return null;
  const [low, high] = logRange(values);
  const unit =
    Math.max(...points.map(({ bytes }) => bytes)) >= 1e9 ? { size: 1e9, name: "GB" } : { size: 1e6, name: "MB" };
  const size = (point: TierPoint) => point.bytes / unit.size;
  const [left, right] = sizeRange(points.map(size));
  const measured = shown.filter((point) => isPlaced(point.measured?.mean));
  const rounded = shown.filter((point) => isPlaced(point.rounded?.mean));
  const expected = shown.filter((point) => point.measured === null && isPlaced(point.predicted));
  return drawSvg({
    height,
    title: "KL divergence from the base model against size, for the tiers of the series and for plain rounding",
    option: {
      grid: plot,
      graphic: {
        elements: [
          ...heading(
            "KL divergence from the base against size",
            `Mean over ${grouped(positions)} positions of held-out text, in nats, logarithmic; lower is better. Bars: ± 1 standard error.`,
          ),
          ...marks(legend({ measured, rounded, expected }), 20, 70),
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
        axisTick: { show: false, customValues: logTicks(low, high) },
        axisLabel: {
          ...plainAxis.axisLabel,
          customValues: logTicks(low, high),
          formatter: (value: number) => decimal(value),
        },
      },
      series: [
        path(
          rounded.map((point) => [size(point), point.rounded!.mean] as const),
          colors.rounded.light,
        ),
        path(
          measured.map((point) => [size(point), point.measured!.mean] as const),
          colors.other.light,
        ),
        bars(
          rounded.map((point) => [size(point), point.rounded!, colors.rounded.light] as const),
          low,
        ),
        bars(
          measured.map((point) => [size(point), point.measured!, colorOf(point)] as const),
          low,
        ),
        ...rounded.map((point) =>
          mark(
            [size(point), point.rounded!.mean],
            hollow(colors.rounded.light),
            isBelow(point) ? "bottom" : "top",
            [decimal(point.rounded!.mean)],
            colors.muted.light,
          ),
        ),
        ...expected.map((point) =>
          mark(
            [size(point), point.predicted!],
            { ...hollow(colorOf(point)), symbol: "diamond" },
            "bottom",
            [labelText(point.tier), decimal(point.predicted!)],
            colorOf(point),
          ),
        ),
        ...measured.map((point) =>
          mark(
            [size(point), point.measured!.mean],
            { symbol: "circle", symbolSize: point.own ? 13 : 10, itemStyle: { color: colorOf(point), opacity: 1 } },
            isBelow(point) ? "top" : "bottom",
            [labelText(point.tier), decimal(point.measured!.mean)],
            colorOf(point),
            point.own,
          ),
        ),
      ],
    },
  });
}

/** Whether plain rounding did better: its label then has the place below. */
function isBelow({ measured, rounded }: TierPoint): boolean {
  return measured !== null && rounded !== null && rounded.mean < measured.mean;
}

function colorOf({ own }: TierPoint): string {
  return own ? colors.own.light : colors.other.light;
}

function hollow(color: string) {
  return {
    symbol: "circle",
    symbolSize: 9,
    itemStyle: { color: colors.panel.light, borderColor: color, borderWidth: 2, opacity: 1 },
  };
}

function mark(
  at: readonly [number, number],
  style: Record<string, unknown>,
  position: "top" | "bottom",
  lines: readonly string[],
  color: string,
  bold = false,
) {
  return {
    type: "scatter",
    silent: true,
    clip: false,
    ...style,
    data: [at],
    label: {
      show: true,
      position,
      distance: 7,
      // Off the line to the next point, which falls to the right.
      offset: [position === "top" ? 16 : -20, 0],
      formatter: () => lines.join(" · "),
      color,
      fontSize: 12,
      fontWeight: bold ? "bold" : "normal",
      fontFamily: "sans-serif",
      textBorderColor: colors.panel.light,
      textBorderWidth: 3,
    },
  };
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
function bars(items: readonly (readonly [number, Estimate, string])[], low: number) {
  const renderItem: CustomSeriesRenderItem = ({ dataIndex }, api) => {
    const [x, { mean, error }, color] = items[dataIndex]!;
    const [x1 = 0, y1 = 0] = api.coord([x, mean + (error ?? 0)]);
    const [, y2 = 0] = api.coord([x, Math.max(low, mean - (error ?? 0))]);
    const children = [
      segment([x1, y1], [x1, y2], color),
      segment([x1 - 4, y1], [x1 + 4, y1], color),
      segment([x1 - 4, y2], [x1 + 4, y2], color),
    ];
    return { type: "group", children };
  };
  return { type: "custom", silent: true, clip: false, renderItem, data: items.map(([x, { mean }]) => [x, mean]) };
}

function legend({ measured, rounded, expected }: Record<"measured" | "rounded" | "expected", readonly TierPoint[]>) {
  const circle = (fill: string, stroke: string): Element => ({
    type: "circle",
    silent: true,
    shape: { r: 4.5 },
    style: { fill, stroke, lineWidth: 2 },
  });
  const { own, other, rounded: grey, panel } = colors;
  return [
    ...(measured.some((point) => point.own) ? [{ mark: circle(own.light, own.light), label: "this tier" }] : []),
    ...(measured.some((point) => !point.own)
      ? [{ mark: circle(other.light, other.light), label: "other tiers of the run" }]
      : []),
    ...(rounded.length > 0
      ? [{ mark: circle(panel.light, grey.light), label: "plain rounding, same plan and size" }]
      : []),
    ...(expected.length > 0
      ? [
          {
            mark: {
              type: "polygon",
              silent: true,
              shape: {
                points: [
                  [0, -6],
                  [6, 0],
                  [0, 6],
                  [-6, 0],
                ],
              },
              style: { fill: panel.light, stroke: other.light, lineWidth: 2 },
            },
            label: "predicted, not measured",
          },
        ]
      : []),
  ];
}

function isPlaced(value: number | null | undefined): value is number {
  return value !== null && value !== undefined && Number.isFinite(value) && value > 0;
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
    ticks.push(...factors.map((factor) => Number(`${factor}e${power}`)).filter((tick) => tick >= low && tick <= high));
  }
  return ticks;
}

function sizeRange(sizes: readonly number[]): readonly [number, number] {
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  const step = niceStep((high - low || high) / 6);
  return [Math.max(0, Math.floor((low - step / 2) / step) * step), Math.ceil((high + step / 2) / step) * step];
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

function decimal(value: number): string {
  return String(Number(value.toPrecision(3)));
}
