import type { CustomSeriesRenderItem } from "echarts";
import { nameAxis, plainAxis, scaleAxis } from "./axes.ts";
import { drawSvg } from "./drawing.ts";
import { heading, segment, text } from "./elements.ts";
import { labelText } from "./labels.ts";
import { colors } from "./palette.ts";
import { linearScale, plain } from "./scales.ts";

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
const plot = { left: 130, right: 150, top: 74 };

/** A point and its error for every domain, in the given order. null: there is no domain. */
export function drawLanguages(domains: readonly DomainRatio[]): string | null {
  if (domains.length === 0) return null;
  const rows = domains.length;
  const height = plot.top + rows * rowHeight + 58;
  const ends = domains.flatMap(({ ratio, error }) => [ratio - (error ?? 0), ratio + (error ?? 0)]);
  const ratios = linearScale([1, ...ends], 1e-4);
  const colorOf = ({ whole }: DomainRatio) => (whole ? colors.other.light : colors.own.light);
  const renderItem: CustomSeriesRenderItem = ({ dataIndex }, api) => {
    const domain = domains[dataIndex]!;
    const at = (ratio: number) => api.coord([ratios.place(ratio), dataIndex]);
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
              error === null ? written(ratio) : `${written(ratio)} ± ${written(error)}`,
              780,
              plot.top + (row + 0.5) * rowHeight,
              { align: "right", bold: whole },
            ),
          ),
        ],
      },
      xAxis: scaleAxis(ratios, {
        name: "Perplexity / perplexity of the base",
        nameLocation: "middle",
        nameGap: 30,
        axisLine: { ...plainAxis.axisLine, onZero: false, show: true },
      }),
      yAxis: nameAxis(
        domains.map(({ name }) => labelText(name, 112)),
        {
          inverse: true,
          splitLine: { show: true, lineStyle: { color: colors.rule.light } },
          axisLabel: { ...plainAxis.axisLabel, interval: 0, color: colors.ink.light },
        },
      ),
      series: [
        unity(rows, ratios.place(1)),
        {
          type: "custom",
          silent: true,
          clip: false,
          renderItem,
          data: domains.map(({ ratio }, row) => [ratios.place(ratio), row]),
        },
      ],
    },
  });
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
