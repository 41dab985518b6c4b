import { CustomChart, ScatterChart } from "echarts/charts";
import { GraphicComponent, GridComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { letter } from "./labels.ts";
import { colors, darkStyle } from "./palette.ts";

use([CustomChart, ScatterChart, GraphicComponent, GridComponent, SVGRenderer]);

/** Pixels. On a phone a picture shrinks to some 330, so its letters must be large beside it. */
export const pictureWidth = 440;

export interface Drawing {
  /** Pixels; the width is `pictureWidth`. */
  readonly height: number;
  /** Text for readers who cannot see the picture. */
  readonly title: string;
  readonly option: EChartsCoreOption;
}

/**
 * Draws a picture as an SVG document without scripts, references or fonts. It is light or dark like
 * the reader's system, on its own background, so that the colours of the page do not matter. The
 * same drawing gives the same text in every process.
 */
export function drawSvg({ height, title, option }: Drawing): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: pictureWidth, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: "sans-serif" }, ...option });
    return frame(withoutClient(chart.renderToSVGString()), height, title);
  } finally {
    chart.dispose();
  }
}

/** The placeholder of a picture that cannot be drawn. It does not use the chart library. */
export function drawPlaceholder(title: string): string {
  const look = `font-size="${letter}" style="font-family:sans-serif" fill="${colors.muted.light}"`;
  const words = `<text x="20" y="45" ${look}>${escapeXml(title)}</text>`;
  return frame(`<svg>${words}</svg>`, 80, title);
}

/**
 * Removes the library's text for its own client: classes that count the charts of the process,
 * hover styles and data of event handlers. Text is escaped already, so every `<` opens a tag.
 */
function withoutClient(svg: string): string {
  const attributes = / (?:class|ecmeta_\w+|pointer-events|xml:space|stroke-miterlimit)="[^"]*"/g;
  return svg
    .replace(/<style[^>]*>[\s\S]*?<\/style>\s*/g, "")
    .replace(/<[a-z][^<>]*>/g, (tag) => tag.replace(attributes, ""));
}

/** Puts title, style sheet and panel before the drawing. */
function frame(svg: string, height: number, title: string): string {
  const inside = svg.slice(svg.indexOf(">") + 1, svg.lastIndexOf("</svg>"));
  // Without the library's own, empty background.
  const body = inside.replace(/^\s*<rect[^>]*><\/rect>\s*/, "");
  const { panel, border } = colors;
  const drawn =
    `<rect x="0.5" y="0.5" width="${pictureWidth - 1}" height="${height - 1}" ` +
    `rx="6" fill="${panel.light}" stroke="${border.light}"/>\n${body.trim()}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${pictureWidth}" height="${height}" viewBox="0 0 ${pictureWidth} ${height}" role="img">
<title>${escapeXml(title)}</title>
<style>${darkStyle(drawn)}</style>
${drawn}
</svg>
`;
}

function escapeXml(text: string): string {
  return text
    .replace(/\p{C}/gu, " ")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;");
}
