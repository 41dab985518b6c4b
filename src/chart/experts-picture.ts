import { nameAxis, numberAxis } from "./axes.ts";
import { cellSeries } from "./cells.ts";
import { type Drawing, pictureWidth } from "./drawing.ts";
import { heading, marks, scaleLegend } from "./elements.ts";
import { damageCells, type LayerLoad, loadCells } from "./expert-cells.ts";
import { labelText } from "./labels.ts";
import { blues, colors, oranges } from "./palette.ts";

/** An expert whose quantization damages a domain most. */
export interface CriticalExpert {
  readonly layer: number;
  readonly expert: number;
}

const left = 114;
const right = 16;
const width = pictureWidth - left - right;

/**
 * Two maps. The first shows how often each expert is chosen, with critical experts marked. The
 * second shows the damage to each domain from quantizing the experts of a layer to `bits`. null:
 * the model has no experts.
 */
export function expertsDrawing(
  layers: readonly LayerLoad[],
  domains: readonly string[],
  critical: readonly CriticalExpert[],
  bits: number,
): Drawing | null {
  const experts = Math.max(0, ...layers.map(({ share }) => share.length));
  if (experts === 0 || domains.length === 0) return null;
  const numbered = width / layers.length >= 22;
  const { loadMap, damageMap, below, height } = placesOf(layers.length, domains.length, numbered);
  const numbers = layers.map(({ layer }) => layer);
  const load = loadCells(layers);
  const damage = damageCells(layers, domains.length, numbered);
  const radius = clamp(Math.min(width / experts, loadMap.height / layers.length) * 0.8, 4, 9);
  const points = critical
    .map(({ layer, expert }) => [expert, numbers.indexOf(layer)] as const)
    .filter(([expert, row]) => row >= 0 && expert < experts);
  return {
    height,
    title: "Routed experts by layer: how often each is chosen, and the damage from quantizing them",
    option: {
      grid: [loadMap, damageMap],
      graphic: { elements: [...loadWords(load), ...damageWords(damage, bits, below)] },
      xAxis: [axis(range(experts), 9, 0, "Expert"), axis(numbers, 12, 1, "Layer")],
      yAxis: [layerRows(numbers, loadMap.height), domainRows(domains)],
      series: [
        cellSeries(load.cells, blues, { grid: 0, gap: 1, fontSize: 11 }),
        dots(points, radius),
        cellSeries(damage.cells, oranges, { grid: 1, gap: 2, fontSize: 11 }),
      ],
    },
  };
}

const loadHeading = heading(
  "Experts by layer: load",
  "Choices of each expert over all domains; 1 is an even share of the layer's choices.",
);

function damageHeading(bits: number, numbered: boolean, top: number) {
  const most = numbered ? " The number is the expert of the greatest error." : "";
  return heading(
    "Experts by layer: damage",
    `Error in the layer's output from its experts at ${bits} bits, by domain, as a share of the ` +
      `power that the layer adds.${most}`,
    top,
  );
}

/** Pixels of the two maps and of the whole picture. */
function placesOf(layers: number, domains: number, numbered: boolean) {
  const first = { left, width, top: loadHeading.bottom + 56 };
  const loadMap = { ...first, height: layers * clamp(260 / layers, 7, 24) };
  const below = loadMap.top + loadMap.height + 52;
  const top = damageHeading(4, numbered, below).bottom + 36;
  const damageMap = { left, width, top, height: domains * 20 };
  return { loadMap, damageMap, below, height: top + damageMap.height + 56 };
}

function loadWords({ labels }: ReturnType<typeof loadCells>) {
  const mark = { type: "circle" as const, silent: true, shape: { r: 4 }, style: dotStyle };
  const { elements, bottom } = loadHeading;
  return [
    ...elements,
    ...scaleLegend(blues, labels, bottom + 14),
    ...marks([{ mark, label: "critical to a domain" }], bottom + 38).elements,
  ];
}

function damageWords(
  { labels, numbered }: ReturnType<typeof damageCells>,
  bits: number,
  below: number,
) {
  const { elements, bottom } = damageHeading(bits, numbered, below);
  return [...elements, ...scaleLegend(oranges, labels, bottom + 14)];
}

function axis(numbers: readonly number[], most: number, gridIndex: number, name: string) {
  return numberAxis(numbers, most, { gridIndex, name, nameLocation: "middle", nameGap: 26 });
}

function layerRows(numbers: readonly number[], height: number) {
  return numberAxis(numbers, height / 16, {
    gridIndex: 0,
    inverse: true,
    name: "Layer",
    nameLocation: "middle",
    nameGap: 40,
  });
}

function domainRows(domains: readonly string[]) {
  const names = domains.map((domain) => labelText(domain, left - 14));
  return nameAxis(names, { gridIndex: 1, inverse: true });
}

/** The critical experts, as points `[expert, row]` on the map of load. */
function dots(data: readonly (readonly [number, number])[], symbolSize: number) {
  return {
    type: "scatter",
    silent: true,
    clip: false,
    xAxisIndex: 0,
    yAxisIndex: 0,
    symbolSize,
    itemStyle: {
      color: dotStyle.fill,
      borderColor: dotStyle.stroke,
      borderWidth: 1,
      opacity: 1,
    },
    data,
  };
}

const dotStyle = { fill: colors.own.light, stroke: colors.panel.light, lineWidth: 1 };

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
