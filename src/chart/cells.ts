import type { CustomSeriesRenderItem } from "echarts";
import type { Step } from "./palette.ts";

/** One cell of a map on two category axes. */
export interface Cell {
  readonly column: number;
  readonly row: number;
  /** Index into the steps of the scale. */
  readonly step: number;
  /** Text in the cell; empty for none. */
  readonly text: string;
}

interface Look {
  readonly grid: number;
  /** Pixels between rows and, if cells are wide enough, between columns. */
  readonly gap: number;
  readonly fontSize: number;
}

/**
 * All cells of a map, one path a colour: an element for each cell would make files of megabytes.
 * Neighbours of one colour in a row are joined if there is no gap between columns.
 */
export function cellSeries(
  cells: readonly Cell[],
  steps: readonly Step[],
  { grid, gap, fontSize }: Look,
) {
  const used = steps.flatMap((step, index) => {
    const own = cells.filter((cell) => cell.step === index);
    return own.length === 0 ? [] : [{ step, cells: own }];
  });
  const renderItem: CustomSeriesRenderItem = ({ dataIndex }, api) => {
    const { step, cells: own } = used[dataIndex]!;
    const labels = own.filter(({ text }) => text !== "");
    const texts = labels.map((cell) => label(cell, { step, fontSize }, api));
    const path = {
      type: "path" as const,
      shape: { pathData: outline(own, gap, api) },
      style: { fill: step.cell.light },
    };
    return { type: "group", children: [path, ...texts] } as ReturnType<CustomSeriesRenderItem>;
  };
  return {
    type: "custom",
    silent: true,
    clip: false,
    xAxisIndex: grid,
    yAxisIndex: grid,
    renderItem,
    data: used.map(({ cells: [first] }) => [first!.column, first!.row]),
  };
}

type Api = Parameters<CustomSeriesRenderItem>[1];

/** The rectangles of some cells as one SVG path. */
function outline(cells: readonly Cell[], gap: number, api: Api): string {
  const [width = 0, height = 0] = (api.size?.([1, 1]) ?? []) as number[];
  const between = width >= 6 ? gap : 0;
  const rectangles = runs(cells, between === 0).map(({ column, row, length }) => {
    const [x = 0, y = 0] = api.coord([column, row]);
    const left = fixed(x - width / 2 + between / 2);
    const right = fixed(x - width / 2 + length * width - between / 2);
    const [top, bottom] = [fixed(y - height / 2 + gap / 2), fixed(y + height / 2 - gap / 2)];
    return `M${left} ${top}H${right}V${bottom}H${left}Z`;
  });
  return rectangles.join("");
}

function label(
  { column, row, text }: Cell,
  { step, fontSize }: { readonly step: Step; readonly fontSize: number },
  api: Api,
) {
  const [x = 0, y = 0] = api.coord([column, row]);
  const style = {
    text,
    fill: step.text.light,
    fontSize,
    fontFamily: "sans-serif",
    align: "center",
    verticalAlign: "middle",
  };
  return { type: "text" as const, x: fixed(x), y: fixed(y), style };
}

/** Neighbouring cells of one row as one run; with `together` false, each cell as its own run. */
function runs(cells: readonly Cell[], together: boolean) {
  const sorted = [...cells].sort((a, b) => a.row - b.row || a.column - b.column);
  const found: { column: number; row: number; length: number }[] = [];
  for (const { column, row } of sorted) {
    const last = found.at(-1);
    if (together && last?.row === row && last.column + last.length === column) last.length++;
    else found.push({ column, row, length: 1 });
  }
  return found;
}

/** Two decimals of a pixel. */
function fixed(value: number): number {
  return Math.round(value * 100) / 100;
}
