import { nameAxis, numberAxis } from "./axes.ts";
import { type Cell, cellSeries } from "./cells.ts";
import { drawSvg, pictureWidth } from "./drawing.ts";
import { heading, marks, scaleLegend, text } from "./elements.ts";
import { labelText } from "./labels.ts";
import { blues, colors, oranges } from "./palette.ts";

/** One layer of routed experts. */
export interface LayerLoad {
  readonly layer: number;
  /** Share of the layer's choices that fell on each expert; sums to 1. */
  readonly share: readonly number[];
  /** `[domain][expert]`: power of the error from quantizing the expert over that of what the layer adds to the stream. */
  readonly damage: readonly (readonly number[])[];
}

/** An expert that a domain suffers much from. */
export interface CriticalExpert {
  readonly layer: number;
  readonly expert: number;
}

const left = 100;
const right = 24;
const width = pictureWidth - left - right;
/** Load against an even share, in octaves: step 3 is about even. */
const loadLabels = ["≤ ⅛", "¼", "½", "1", "2", "4", "≥ 8"];

/**
 * Two maps: how often each expert is chosen, with the critical ones marked; and what quantizing the experts of a layer (to `bits`)
 * does to each domain, with the number of the expert that does most. Null without experts.
 */
export function drawExperts(
  layers: readonly LayerLoad[],
  domains: readonly string[],
  critical: readonly CriticalExpert[],
  bits: number,
): string | null {
  const experts = Math.max(0, ...layers.map(({ share }) => share.length));
  if (experts === 0 || domains.length === 0) return null;
  const loadTop = 100;
  const loadHeight = layers.length * clamp(260 / layers.length, 7, 24);
  const damageTop = loadTop + loadHeight + 142;
  const damageHeight = domains.length * 20;
  const height = damageTop + damageHeight + 56;
  const numbers = layers.map(({ layer }) => layer);
  const damage = damageCells(layers, domains.length, width / layers.length >= 22);
  const points = critical
    .map(({ layer, expert }) => [expert, numbers.indexOf(layer)] as const)
    .filter(([expert, row]) => row >= 0 && expert < experts);
  const radius = clamp(Math.min(width / experts, loadHeight / layers.length) * 0.8, 4, 9);
  return drawSvg({
    height,
    title: "Routed experts by layer: how often each is chosen, and what quantizing them does to each domain",
    option: {
      grid: [
        { left, width, top: loadTop, height: loadHeight },
        { left, width, top: damageTop, height: damageHeight },
      ],
      graphic: {
        elements: [
          ...heading(
            "Experts by layer: load",
            "Choices that fell on each expert, all domains together; 1 is an even share of the layer's choices.",
          ),
          ...scaleLegend(blues, loadLabels, 20, 68),
          ...marks(
            [
              {
                mark: { type: "circle", silent: true, shape: { r: 4 }, style: dotStyle },
                label: "critical to at least one domain",
              },
            ],
            350,
            68,
          ),
          text("Experts by layer: damage", 20, damageTop - 78, { size: 15, bold: true }),
          text(
            `Error that quantizing a layer's experts to ${bits} bits puts into the layer's output, by domain${damage.numbered ? "; the number is the expert that does most" : ""}.`,
            20,
            damageTop - 57,
            { color: colors.muted.light },
          ),
          ...scaleLegend(oranges, damage.labels, 20, damageTop - 32),
          text("of the power of what the layer adds", 20 + 7 * 44 + 10, damageTop - 32, { color: colors.muted.light }),
        ],
      },
      xAxis: [
        numberAxis(range(experts), 16, { gridIndex: 0, name: "Expert", nameLocation: "middle", nameGap: 26 }),
        numberAxis(numbers, 26, { gridIndex: 1, name: "Layer", nameLocation: "middle", nameGap: 26 }),
      ],
      yAxis: [
        numberAxis(numbers, loadHeight / 16, {
          gridIndex: 0,
          inverse: true,
          name: "Layer",
          nameLocation: "middle",
          nameGap: 40,
        }),
        nameAxis(
          domains.map((domain) => labelText(domain, 86)),
          { gridIndex: 1, inverse: true },
        ),
      ],
      series: [
        cellSeries(loadCells(layers), blues, { grid: 0, gap: 1, fontSize: 11 }),
        {
          type: "scatter",
          silent: true,
          clip: false,
          xAxisIndex: 0,
          yAxisIndex: 0,
          symbolSize: radius,
          itemStyle: { color: dotStyle.fill, borderColor: dotStyle.stroke, borderWidth: 1, opacity: 1 },
          data: points,
        },
        cellSeries(damage.cells, oranges, { grid: 1, gap: 2, fontSize: 11 }),
      ],
    },
  });
}

const dotStyle = { fill: colors.own.light, stroke: colors.panel.light, lineWidth: 1 };

function loadCells(layers: readonly LayerLoad[]): Cell[] {
  return layers.flatMap(({ share }, row) =>
    share.map((part, column) => {
      const octave = Math.round(Math.log2(Math.max(part * share.length, 2 ** -9)));
      return { column, row, step: clamp(octave + 3, 0, 6), text: "" };
    }),
  );
}

/** Cells of layers (columns) × domains (rows); seven steps, even in the logarithm, from the least to the greatest damage. */
function damageCells(layers: readonly LayerLoad[], domains: number, numbered: boolean) {
  const cells = layers.flatMap(({ damage }, column) =>
    range(domains).map((row) => {
      const own = damage[row] ?? [];
      const total = own.reduce((sum, value) => sum + value, 0);
      return { column, row, total, worst: own.indexOf(Math.max(...own)) };
    }),
  );
  const totals = cells.map(({ total }) => total).filter((total) => total > 0);
  const high = totals.length === 0 ? 1 : Math.max(...totals);
  const low = Math.min(high / 4, ...totals);
  const stepOf = (total: number) =>
    clamp(Math.floor((7 * Math.log(Math.max(total, low) / low)) / Math.log(high / low)), 0, 6);
  return {
    numbered,
    labels: range(7).map((step) => percent(low * (high / low) ** (step / 7))),
    cells: cells.map(({ column, row, total, worst }) => ({
      column,
      row,
      step: stepOf(total),
      text: numbered && total > 0 ? String(worst) : "",
    })),
  };
}

/** `1.2 %`, two digits. */
function percent(part: number): string {
  const value = 100 * part;
  return `${value >= 10 ? value.toFixed(0) : Number(value.toPrecision(value < 1 ? 1 : 2))} %`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
