import { nameAxis, numberAxis } from "./axes.ts";
import { cellSeries } from "./cells.ts";
import { drawSvg, pictureWidth } from "./drawing.ts";
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
const left = 142;
const right = 20;
const outsideWidth = 30;

/** Bits by layer and role, one strip a role. null: nothing is quantized. */
export function drawBits(roles: readonly RoleWidths[], layers: number): string | null {
  if (roles.length === 0 || layers === 0) return null;
  const rows = roles.length;
  const top = 90;
  const height = top + rows * rowHeight + 56;
  const names = roles.map(({ role }) => labelText(role, 124));
  const hasOutside = roles.some(({ outside }) => outside !== null);
  const width = pictureWidth - left - right - (hasOutside ? outsideWidth + 12 : 0);
  const cellWidth = width / layers;
  const widths = [2, 3, 4, 5, 6, 8].filter((bits) =>
    roles.some(({ layers: own, outside }) => outside === bits || [...own.values()].includes(bits)),
  );
  const cell = (column: number, row: number, bits: number, text: string) => ({
    column,
    row,
    step: stepOfBits.get(bits) ?? 0,
    text,
  });
  const inLayers = roles.flatMap(({ layers: own }, row) =>
    [...own].map(([layer, bits]) => cell(layer, row, bits, cellWidth >= 8 ? String(bits) : "")),
  );
  const outside = roles.flatMap((role, row) =>
    role.outside === null ? [] : [cell(0, row, role.outside, String(role.outside))],
  );
  const place = { top, height: rows * rowHeight };
  const shared = { gap: 2, fontSize: cellWidth >= 11 ? 11 : 9 };
  const legend = widths.map((bits): Step => blues[stepOfBits.get(bits)!]!);
  return drawSvg({
    height,
    title: "Bits of each quantized module, by layer and role",
    option: {
      grid: [
        { ...place, left: left + (hasOutside ? outsideWidth + 12 : 0), right },
        { ...place, left, width: outsideWidth },
      ],
      graphic: {
        elements: [
          ...heading(
            "Bits by layer and role",
            "Bits of a weight's code. Without a cell, the layer has no such matrix, or an unquantized one.",
          ),
          ...roles.map((_, row) =>
            box(
              {
                x: left + (hasOutside ? outsideWidth + 12 : 0),
                y: top + row * rowHeight + 1,
                width,
                height: rowHeight - 2,
              },
              colors.blank.light,
            ),
          ),
          ...scaleLegend(
            legend,
            widths.map((bits) => `${bits} bits`),
            20,
            68,
          ),
        ],
      },
      xAxis: [
        numberAxis(
          Array.from({ length: layers }, (_, layer) => layer),
          30,
          { gridIndex: 0, name: "Layer", nameLocation: "middle", nameGap: 28 },
        ),
        nameAxis([""], { gridIndex: 1 }),
      ],
      yAxis: [
        nameAxis(names, { gridIndex: 0, inverse: true, axisLabel: { show: false } }),
        nameAxis(names, { gridIndex: 1, inverse: true }),
      ],
      series: [
        cellSeries(inLayers, blues, { grid: 0, ...shared }),
        cellSeries(outside, blues, { grid: 1, ...shared, fontSize: 11 }),
      ],
    },
  });
}
