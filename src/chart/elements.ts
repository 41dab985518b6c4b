import { pictureWidth } from "./drawing.ts";
import { letter, linesOf, widthOf } from "./labels.ts";
import { colors, type Step } from "./palette.ts";

/** Graphic elements of the chart library that several pictures use. Places are in pixels. */

/** Pixels between the picture's edge and its words. */
export const margin = 14;
/** Height of a line of words. */
export const lineHeight = 18;

export interface Element {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** A title with lines on how to read what is below it. `bottom`: where they end. */
export function heading(
  title: string,
  words: string,
  top = 0,
): { readonly elements: readonly Element[]; readonly bottom: number } {
  const lines = linesOf(words, pictureWidth - 2 * margin);
  const y = (line: number) => top + 44 + line * lineHeight;
  return {
    elements: [
      text(title, margin, top + 22, { size: 15, bold: true }),
      ...lines.map((line, at) => text(line, margin, y(at), { color: colors.muted.light })),
    ],
    bottom: y(lines.length - 1) + lineHeight / 2,
  };
}

export function text(
  content: string,
  x: number,
  y: number,
  style: {
    readonly size?: number;
    readonly bold?: boolean;
    readonly color?: string;
    readonly align?: "left" | "center" | "right";
    /** Outlined in the panel's colour, for text in front of lines. */
    readonly halo?: boolean;
  } = {},
): Element {
  return {
    type: "text",
    silent: true,
    z: 10, // before the axes and their lines
    x,
    y,
    style: {
      text: content,
      fill: style.color ?? colors.ink.light,
      fontSize: style.size ?? letter,
      fontWeight: style.bold ? "bold" : "normal",
      fontFamily: "sans-serif",
      align: style.align ?? "left",
      verticalAlign: "middle",
      ...(style.halo && { stroke: colors.panel.light, lineWidth: 3 }),
    },
  };
}

/** Pixels of a rectangle; `x` and `y` are its upper left corner. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function box(shape: Box, fill: string): Element {
  return { type: "rect", silent: true, shape: { ...shape }, style: { fill } };
}

const swatch = (pictureWidth - 2 * margin) / 7;

/** The steps of a colour scale from the left, each with its lower limit. */
export function scaleLegend(
  steps: readonly Step[],
  labels: readonly string[],
  y: number,
): Element[] {
  const width = swatch;
  return steps.flatMap(({ cell, text: ink }, step) => [
    box({ x: margin + step * width, y: y - 9, width, height: 18 }, cell.light),
    text(labels[step] ?? "", margin + (step + 0.5) * width, y, {
      size: 12,
      color: ink.light,
      align: "center",
    }),
  ]);
}

/** A legend of marks, as many side by side as fit. `y`: of its first row. `bottom`: its end. */
export function marks(
  items: readonly { readonly mark: Element; readonly label: string }[],
  y: number,
): { readonly elements: readonly Element[]; readonly bottom: number } {
  const elements: Element[] = [];
  let [left, row] = [margin, y];
  for (const { mark, label } of items) {
    const width = 18 + widthOf(label);
    if (left > margin && left + width > pictureWidth - margin) {
      left = margin;
      row += lineHeight + 2;
    }
    elements.push(
      { ...mark, x: left + 6, y: row },
      text(label, left + 18, row, { color: colors.muted.light }),
    );
    left += width + 14;
  }
  return { elements, bottom: row + lineHeight / 2 };
}

type Place = readonly [number, number];

/** A straight line of a custom series, by the pixels of its ends. */
export function segment([x1, y1]: Place, [x2, y2]: Place, stroke: string, lineDash: number[] = []) {
  return {
    type: "line" as const,
    shape: { x1, y1, x2, y2 },
    style: { stroke, fill: "none", lineWidth: 1.5, lineDash },
  };
}
