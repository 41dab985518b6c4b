import type { CustomSeriesRenderItem } from "echarts";
import { nameAxis, plainAxis } from "./axes.ts";
import { drawSvg } from "./drawing.ts";
import { heading, segment, text } from "./elements.ts";
import { labelText } from "./labels.ts";
import { colors } from "./palette.ts";

/** Perplexity over that of the base, with its standard error. */
export interface DomainRatio {
  readonly name: string;
  readonly ratio: number;
  /** null: not known. */
  readonly error: number | null;
  /** Whether it stands for all domains together. */
  readonly whole: boolean;
}

const rowHeight = 26;
const plot = { left: 130, right: 150, top: 74 };

/** A point and its error for every domain, in the order given. Null where there is none. */
export function drawLanguages(domains: readonly DomainRatio[]): string | null {
  if (domains.length === 0) return null;
  const rows = domains.length;
  const height = plot.top + rows * rowHeight + 58;
  const [low, high, step] = ratioRange(domains);
  const colorOf = ({ whole }: DomainRatio) => (whole ? colors.other.light : colors.own.light);
  const renderItem: CustomSeriesRenderItem = ({ dataIndex }, api) => {
    const domain = domains[dataIndex]!;
    const at = (ratio: number) => api.coord([Math.min(high, Math.max(low, ratio)), dataIndex]);
    const [x = 0, y = 0] = at(domain.ratio);
    const [x1 = 0] = at(domain.ratio - (domain.error ?? 0));
    const [x2 = 0] = at(domain.ratio + (domain.error ?? 0));
    const stroke = colorOf(domain);
    const children = [
      segment([x1, y], [x2, y], stroke),
      segment([x1, y - 4], [x1, y + 4], stroke),
      segment([x2, y - 4], [x2, y + 4], stroke),
      {
        type: "circle" as const,
        shape: { cx: x, cy: y, r: domain.whole ? 6 : 5 },
        style: { fill: stroke },
      },
    ];
    return { type: "group", children };
  };
  return drawSvg({
    height,
    title: "Perplexity over that of the base model, by language and domain",
    option: {
      grid: { ...plot, height: rows * rowHeight },
      graphic: {
        elements: [
          ...heading(
            "Perplexity ratio by language and domain",
            "Perplexity on held-out text over the base's; 1 is no difference. Bars: ± 1 standard error.",
          ),
          ...domains.map(({ ratio, error, whole }, row) =>
            text(
              error === null ? ratio.toFixed(4) : `${ratio.toFixed(4)} ± ${error.toFixed(4)}`,
              780,
              plot.top + (row + 0.5) * rowHeight,
              { align: "right", bold: whole },
            ),
          ),
        ],
      },
      xAxis: {
        ...plainAxis,
        type: "value",
        min: low,
        max: high,
        interval: step,
        name: "Perplexity / perplexity of the base",
        nameLocation: "middle",
        nameGap: 30,
        axisLine: { ...plainAxis.axisLine, onZero: false, show: true },
      },
      yAxis: nameAxis(
        domains.map(({ name }) => labelText(name, 112)),
        {
          inverse: true,
          splitLine: { show: true, lineStyle: { color: colors.rule.light } },
          axisLabel: { ...plainAxis.axisLabel, interval: 0, color: colors.ink.light },
        },
      ),
      series: [
        unity(rows),
        {
          type: "custom",
          silent: true,
          clip: false,
          renderItem,
          data: domains.map(({ ratio }, row) => [ratio, row]),
        },
      ],
    },
  });
}

/** The line of no difference. */
function unity(rows: number) {
  const renderItem: CustomSeriesRenderItem = (_, api) => {
    const [x = 0, y1 = 0] = api.coord([1, 0]);
    const [, y2 = 0] = api.coord([1, rows - 1]);
    return segment([x, y1 - rowHeight / 2], [x, y2 + rowHeight / 2], colors.rounded.light, [4, 3]);
  };
  return { type: "custom", silent: true, clip: false, renderItem, data: [[1, 0]] };
}

/** The least range of round numbers that holds 1 and all points with their errors, and the step of its ticks. */
function ratioRange(domains: readonly DomainRatio[]): readonly [number, number, number] {
  const low = Math.min(1, ...domains.map(({ ratio, error }) => ratio - (error ?? 0)));
  const high = Math.max(1, ...domains.map(({ ratio, error }) => ratio + (error ?? 0)));
  const rough = Math.max(high - low, 1e-4) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const round = (value: number) => Number(value.toPrecision(12));
  const bottom = Math.max(0, round(Math.floor((low - step / 4) / step) * step));
  return [bottom, round(Math.ceil((high + step / 4) / step) * step), step];
}
