import { nameAxis, numberAxis } from "./axes.ts";
import { cellSeries } from "./cells.ts";
import { drawSvg, pictureWidth } from "./drawing.ts";
import { heading, legendWidth, marks, scaleLegend, text } from "./elements.ts";
import { damageCells, type LayerLoad, loadCells } from "./expert-cells.ts";
import { labelText } from "./labels.ts";
import { blues, colors, oranges } from "./palette.ts";

/** An expert whose quantization damages a domain most. */
export interface CriticalExpert {
  readonly layer: number;
  readonly expert: number;
}

const left = 112;
const right = 24;
const width = pictureWidth - left - right;

/**
 * Two maps: how often each expert is chosen, with critical experts marked; and the damage to each
 * domain from quantizing the experts of a layer to `bits`. null: the model has no experts.
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
  const load = loadCells(layers);
  const damage = damageCells(layers, domains.length, width / layers.length >= 22);
  const most = damage.numbered ? "; the number is the expert of the greatest error" : "";
  const points = critical
    .map(({ layer, expert }) => [expert, numbers.indexOf(layer)] as const)
    .filter(([expert, row]) => row >= 0 && expert < experts);
  const radius = clamp(Math.min(width / experts, loadHeight / layers.length) * 0.8, 4, 9);
  return drawSvg({
    height,
    title: "Routed experts by layer: how often each is chosen, and the damage from quantizing them",
    option: {
      grid: [
        { left, width, top: loadTop, height: loadHeight },
        { left, width, top: damageTop, height: damageHeight },
      ],
      graphic: {
        elements: [
          ...heading(
            "Experts by layer: load",
            "Choices of each expert over all domains; 1 is an even share of the layer's choices.",
          ),
          ...scaleLegend(blues, load.labels, 20, 68),
          ...marks(
            [
              {
                mark: { type: "circle", silent: true, shape: { r: 4 }, style: dotStyle },
                label: "critical to a domain",
              },
            ],
            20 + legendWidth + 20,
            68,
          ),
          text("Experts by layer: damage", 20, damageTop - 78, { size: 15, bold: true }),
          text(
            `Error in the layer's output from its experts at ${bits} bits, by domain${most}.`,
            20,
            damageTop - 57,
            { color: colors.muted.light },
          ),
          ...scaleLegend(oranges, damage.labels, 20, damageTop - 32),
          text("of the power of what the layer adds", 20 + legendWidth + 14, damageTop - 32, {
            color: colors.muted.light,
          }),
        ],
      },
      xAxis: [
        numberAxis(range(experts), 16, {
          gridIndex: 0,
          name: "Expert",
          nameLocation: "middle",
          nameGap: 26,
        }),
        numberAxis(numbers, 26, {
          gridIndex: 1,
          name: "Layer",
          nameLocation: "middle",
          nameGap: 26,
        }),
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
          domains.map((domain) => labelText(domain, 98)),
          { gridIndex: 1, inverse: true },
        ),
      ],
      series: [
        cellSeries(load.cells, blues, { grid: 0, gap: 1, fontSize: 11 }),
        {
          type: "scatter",
          silent: true,
          clip: false,
          xAxisIndex: 0,
          yAxisIndex: 0,
          symbolSize: radius,
          itemStyle: {
            color: dotStyle.fill,
            borderColor: dotStyle.stroke,
            borderWidth: 1,
            opacity: 1,
          },
          data: points,
        },
        cellSeries(damage.cells, oranges, { grid: 1, gap: 2, fontSize: 11 }),
      ],
    },
  });
}

const dotStyle = { fill: colors.own.light, stroke: colors.panel.light, lineWidth: 1 };

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
