import { nameAxis, numberAxis } from "./axes.ts";
import { type Cell, cellSeries } from "./cells.ts";
import { type Drawing, pictureWidth } from "./drawing.ts";
import { box, heading, scaleLegend } from "./elements.ts";
import { labelText } from "./labels.ts";
import { blues, colors, type Step } from "./palette.ts";

/** Bits of the modules of one role: one a layer, or one module outside of the layers. */
export interface RoleWidths {
  readonly role: string;
  /** Layer -> bits. */
  readonly layers: ReadonlyMap<number, number>;
  /** Of a module that belongs to no layer; null where the role has none. */
  readonly outside: number | null;
}

const stepOfBits: ReadonlyMap<number, number> = new Map(
  [2, 3, 4, 5, 6, 8].map((bits, step) => [bits, bits === 8 ? 6 : step]),
);
const rowHeight = 22;
const left = 122;
const right = 14;
const outsideWidth = 24;

/** Bits by layer and role, one strip a role. null: nothing is quantized. */
export function bitsDrawing(roles: readonly RoleWidths[], layers: number): Drawing | null {
  if (roles.length === 0 || layers === 0) return null;
  const { inLayers, outside, height } = placesOf(roles);
  const cellWidth = inLayers.width / layers;
  const names = roles.map(({ role }) => labelText(role, left - 14));
  const shared = { gap: 2, fontSize: cellWidth >= 12 ? 12 : 9 };
  return {
    height,
    title: "Bits of each quantized module, by layer and role",
    option: {
      grid: [{ ...inLayers, right }, outside],
      graphic: {
        elements: [...words.elements, ...strips(roles.length, inLayers), ...legend(roles)],
      },
      xAxis: [layerAxis(layers), nameAxis([""], { gridIndex: 1 })],
      yAxis: [
        nameAxis(names, { gridIndex: 0, inverse: true, axisLabel: { show: false } }),
        nameAxis(names, { gridIndex: 1, inverse: true }),
      ],
      series: [
        cellSeries(layerCells(roles, cellWidth >= 9), blues, { grid: 0, ...shared }),
        cellSeries(outsideCells(roles), blues, { grid: 1, ...shared, fontSize: 12 }),
      ],
    },
  };
}

/** Pixels of the map of layers, of the column of other modules, and of the whole picture. */
function placesOf(roles: readonly RoleWidths[]) {
  const hasOutside = roles.some(({ outside }) => outside !== null);
  const indent = hasOutside ? outsideWidth + 8 : 0;
  const rows = { top: words.bottom + 34, height: roles.length * rowHeight };
  return {
    inLayers: { ...rows, left: left + indent, width: pictureWidth - left - right - indent },
    outside: { ...rows, left, width: outsideWidth },
    height: rows.top + rows.height + 56,
  };
}

const words = heading(
  "Bits by layer and role",
  "Bits of a weight's code. Without a cell, the layer has no such matrix, or keeps it unquantized.",
);

/** The background of each row. */
function strips(rows: number, { left, top, width }: { left: number; top: number; width: number }) {
  return Array.from({ length: rows }, (_, row) =>
    box(
      { x: left, y: top + row * rowHeight + 1, width, height: rowHeight - 2 },
      colors.blank.light,
    ),
  );
}

/** The widths in use. */
function legend(roles: readonly RoleWidths[]) {
  const widths = [...stepOfBits.keys()].filter((bits) =>
    roles.some(({ layers, outside }) => outside === bits || [...layers.values()].includes(bits)),
  );
  const steps = widths.map((bits): Step => blues[stepOfBits.get(bits)!]!);
  const labels = widths.map((bits) => `${bits} bits`);
  return scaleLegend(steps, labels, words.bottom + 14);
}

function layerAxis(layers: number) {
  const numbers = Array.from({ length: layers }, (_, layer) => layer);
  const name = { name: "Layer", nameLocation: "middle", nameGap: 28 } as const;
  return numberAxis(numbers, 12, { gridIndex: 0, ...name });
}

function layerCells(roles: readonly RoleWidths[], labelled: boolean): Cell[] {
  return roles.flatMap(({ layers }, row) =>
    [...layers].map(([column, bits]) => ({
      column,
      row,
      step: stepOfBits.get(bits) ?? 0,
      text: labelled ? String(bits) : "",
    })),
  );
}

function outsideCells(roles: readonly RoleWidths[]): Cell[] {
  return roles.flatMap(({ outside }, row) =>
    outside === null
      ? []
      : [{ column: 0, row, step: stepOfBits.get(outside) ?? 0, text: String(outside) }],
  );
}
