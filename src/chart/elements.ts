import { widthOf } from "./labels.ts";
import { colors, type Step } from "./palette.ts";

/** Graphic elements of the chart library that several pictures use. Places are in pixels. */

const margin = 20;
export interface Element {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** The picture's title, and a line on how to read it. */
export function heading(title: string, subtitle: string): Element[] {
  return [
    text(title, margin, 22, { size: 15, bold: true }),
    text(subtitle, margin, 43, { color: colors.muted.light }),
  ];
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
      fontSize: style.size ?? 12,
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

const swatch = 52;
/** Width in pixels of a legend of seven steps. */
export const legendWidth = 7 * swatch;

/** The steps of a colour scale from the left, each with its lower limit. */
export function scaleLegend(
  steps: readonly Step[],
  labels: readonly string[],
  x: number,
  y: number,
): Element[] {
  const width = swatch;
  return steps.flatMap(({ cell, text: ink }, step) => [
    box({ x: x + step * width, y: y - 8, width, height: 16 }, cell.light),
    text(labels[step] ?? "", x + (step + 0.5) * width, y, {
      size: 11,
      color: ink.light,
      align: "center",
    }),
  ]);
}

/** A legend of marks, side by side from `x` on. */
export function marks(
  items: readonly { readonly mark: Element; readonly label: string }[],
  x: number,
  y: number,
): Element[] {
  const placed: Element[] = [];
  let left = x;
  for (const { mark, label } of items) {
    placed.push(
      { ...mark, x: left + 6, y },
      text(label, left + 18, y, { color: colors.muted.light }),
    );
    left += 18 + widthOf(label) + 18;
  }
  return placed;
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
