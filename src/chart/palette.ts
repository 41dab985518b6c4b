/**
 * A colour of a picture: the light one is written into the file, and the file's style sheet
 * replaces it with the dark one. Each light colour has one meaning, since the style sheet selects
 * by value.
 */
export interface Color {
  readonly light: string;
  readonly dark: string;
}

export const colors = {
  panel: { light: "#ffffff", dark: "#0d1117" },
  border: { light: "#d1d9e0", dark: "#3d444d" },
  rule: { light: "#e7ebef", dark: "#232a33" },
  /** Cells without a value. */
  blank: { light: "#f6f8fa", dark: "#151b23" },
  ink: { light: "#1f2328", dark: "#e6edf3" },
  muted: { light: "#59636e", dark: "#9da7b1" },
  /** The tier of the card. */
  own: { light: "#b34700", dark: "#ffa657" },
  other: { light: "#0860ca", dark: "#6cb6ff" },
  /** Plain rounding. */
  rounded: { light: "#6b7480", dark: "#929ba5" },
  /** What stock tools make. */
  stock: { light: "#7a3fb5", dark: "#c69cf2" },
} as const satisfies Record<string, Color>;

/** Of models side by side. */
export const lineColors: readonly Color[] = [
  { light: "#1d63c9", dark: "#6cb0ff" },
  { light: "#b54a0a", dark: "#ffa960" },
  { light: "#1a7f37", dark: "#56d364" },
  { light: "#8a3ab9", dark: "#cf9df5" },
  { light: "#a8174b", dark: "#ff8fb0" },
  { light: "#0f766e", dark: "#4fd1c5" },
];

/** One step of a scale: the cell, and the text on it. */
export interface Step {
  readonly cell: Color;
  readonly text: Color;
}

/** In dark a scale runs the other way: high values always contrast with the panel. */
function scale(light: readonly string[], dark: readonly string[], mark: string): readonly Step[] {
  return light.map((cell, step) => ({
    cell: { light: cell, dark: dark[step]! },
    // The last digits make the text colours of all steps different.
    text:
      step < 5
        ? { light: `#0${step}0d${mark}`, dark: step < 4 ? "#f0f6fc" : "#05080c" }
        : { light: `#fff${step}f${mark[1]}`, dark: "#05080c" },
  }));
}

export const blues = scale(
  ["#eaf2fb", "#d0e2f5", "#aacbec", "#7db0e0", "#4a90d0", "#2668ae", "#123f78"],
  ["#12202f", "#17304a", "#1c456d", "#245f97", "#4d94cf", "#86bdea", "#c6e3fa"],
  "1b",
);
export const oranges = scale(
  ["#fff2e2", "#fde0c0", "#fbc592", "#f5a45c", "#e3812f", "#a94d0c", "#6f3206"],
  ["#2a1b0e", "#442811", "#693a13", "#8f4e18", "#d08035", "#efa96b", "#fbd6b0"],
  "2c",
);

const all: readonly Color[] = [
  ...Object.values(colors),
  ...lineColors,
  ...[...blues, ...oranges].flatMap(({ cell, text }) => [cell, text]),
];

/** The style sheet that replaces the colours of `svg` on systems with a dark theme. */
export function darkStyle(svg: string): string {
  const rules = all.flatMap(({ light, dark }) =>
    ["fill", "stroke"].flatMap((property) =>
      svg.includes(`${property}="${light}"`)
        ? [`[${property}="${light}"]{${property}:${dark}}`]
        : [],
    ),
  );
  return `@media (prefers-color-scheme:dark){${rules.join("")}}`;
}

/** `svg` in its dark colours, for a renderer that does not know the reader's theme. */
export function darkened(svg: string): string {
  return svg
    .replace(/<style>[^<]*<\/style>/, "")
    .replace(/(fill|stroke)="(#[0-9a-f]+)"/g, (found, property: string, light: string) => {
      const color = all.find((one) => one.light === light);
      return color === undefined ? found : `${property}="${color.dark}"`;
    });
}
