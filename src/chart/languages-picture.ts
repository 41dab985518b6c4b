import type { CustomSeriesRenderItem } from "echarts";
import { nameAxis, plainAxis, scaleAxis } from "./axes.ts";
import { type Drawing, pictureWidth } from "./drawing.ts";
import { heading, margin, segment, text } from "./elements.ts";
import { labelText } from "./labels.ts";
import { colors } from "./palette.ts";
import { linearScale, plain, type Scale } from "./scales.ts";

/** Perplexity divided by that of the base, with its standard error. */
export interface DomainRatio {
  readonly name: string;
  readonly ratio: number;
  /** null: not known. */
  readonly error: number | null;
  /** Whether this is the ratio over all domains. */
  readonly whole: boolean;
}

const rowHeight = 26;
const words = heading(
  "Perplexity ratio by language and domain",
  "Perplexity on held-out text over the base's; 1 is no difference. Bars: ± 1 standard error.",
);
const plot = { left: 120, right: 150, top: words.bottom + 14 };

/** A point and its error for every domain, in the given order. null: there is no domain. */
export function languagesDrawing(domains: readonly DomainRatio[]): Drawing | null {
  if (domains.length === 0) return null;
  const rows = domains.length;
  const ends = domains.flatMap(({ ratio, error }) => [ratio - (error ?? 0), ratio + (error ?? 0)]);
  const ratios = linearScale([1, ...ends], 1e-4, 3);
  return {
    height: plot.top + rows * rowHeight + 58,
    title: "Perplexity over that of the base model, by language and domain",
    option: {
      grid: { ...plot, height: rows * rowHeight },
      graphic: {
        elements: [...words.elements, ...domains.map(valueText)],
      },
      xAxis: scaleAxis(ratios, {
        name: "Perplexity over the base's",
        nameLocation: "middle",
        nameGap: 30,
        axisLine: { ...plainAxis.axisLine, onZero: false, show: true },
      }),
      yAxis: domainAxis(domains),
      series: [unity(rows, ratios.place(1)), points(domains, ratios)],
    },
  };
}

/** Ratio and error in figures, at the right of the row. */
function valueText({ ratio, error, whole }: DomainRatio, row: number) {
  const figures = error === null ? written(ratio) : `${written(ratio)} ± ${written(error)}`;
  return text(figures, pictureWidth - margin, plot.top + (row + 0.5) * rowHeight, {
    align: "right",
    bold: whole,
  });
}

function domainAxis(domains: readonly DomainRatio[]) {
  const names = domains.map(({ name }) => labelText(name, plot.left - 14));
  return nameAxis(names, {
    inverse: true,
    splitLine: { show: true, lineStyle: { color: colors.rule.light } },
    axisLabel: { ...plainAxis.axisLabel, interval: 0, color: colors.ink.light },
  });
}

/** A point for every ratio, with a bar of one standard error either way. */
function points(domains: readonly DomainRatio[], ratios: Scale) {
  const renderItem: CustomSeriesRenderItem = ({ dataIndex }, api) => {
    const { ratio, error, whole } = domains[dataIndex]!;
    const at = (value: number) => api.coord([ratios.place(value), dataIndex]);
    const [x = 0, y = 0] = at(ratio);
    const [x1 = 0] = at(ratio - (error ?? 0));
    const [x2 = 0] = at(ratio + (error ?? 0));
    const stroke = whole ? colors.other.light : colors.own.light;
    const children = [
      segment([x1, y], [x2, y], stroke),
      segment([x1, y - 4], [x1, y + 4], stroke),
      segment([x2, y - 4], [x2, y + 4], stroke),
      {
        type: "circle" as const,
        shape: { cx: x, cy: y, r: whole ? 6 : 5 },
        style: { fill: stroke },
      },
    ];
    return { type: "group", children };
  };
  return {
    type: "custom",
    silent: true,
    clip: false,
    renderItem,
    data: domains.map(({ ratio }, row) => [ratios.place(ratio), row]),
  };
}

/** The line at ratio 1. */
function unity(rows: number, place: number) {
  const renderItem: CustomSeriesRenderItem = (_, api) => {
    const [x = 0, y1 = 0] = api.coord([place, 0]);
    const [, y2 = 0] = api.coord([place, rows - 1]);
    return segment([x, y1 - rowHeight / 2], [x, y2 + rowHeight / 2], colors.rounded.light, [4, 3]);
  };
  return { type: "custom", silent: true, clip: false, renderItem, data: [[place, 0]] };
}

/** Four decimals, as they are compared; significant digits alone where a ratio is far from 1. */
function written(ratio: number): string {
  return ratio < 1000 ? ratio.toFixed(4) : plain(ratio, 4);
}
