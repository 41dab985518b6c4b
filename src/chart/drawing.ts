import { CustomChart, ScatterChart } from "echarts/charts";
import { GraphicComponent, GridComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { colors, darkStyle } from "./palette.ts";

use([CustomChart, ScatterChart, GraphicComponent, GridComponent, SVGRenderer]);

/** Pixels: about the column of text on a model's page. */
export const pictureWidth = 800;

export interface Drawing {
  /** Pixels; the width is `pictureWidth`. */
  readonly height: number;
  /** What it shows, for readers who do not see it. */
  readonly title: string;
  readonly option: EChartsCoreOption;
}

/**
 * A picture as an SVG document: no script, no reference, no font of its own; light or dark as the reader's system is, on a panel
 * of its own, so that a page of the other kind does not matter. The same drawing is the same text in any process.
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

/** What stands in the place of a picture that cannot be drawn. Made without the chart library. */
export function drawPlaceholder(title: string): string {
  const words = `<text x="20" y="45" font-size="12" style="font-family:sans-serif" fill="${colors.muted.light}">${escapeXml(title)}</text>`;
  return frame(`<svg>${words}</svg>`, 80, title);
}

/**
 * Leaves out what the library writes for its own client: classes that count the charts of the process, hover styles and
 * notes for event handlers. Text is escaped by then, so that `<` opens a tag and nothing else.
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
  const body = inside.replace(/^\s*<rect[^>]*><\/rect>\s*/, ""); // the library's own background, which is none
  const { panel, border } = colors;
  const drawn = `<rect x="0.5" y="0.5" width="${pictureWidth - 1}" height="${height - 1}" rx="6" fill="${panel.light}" stroke="${border.light}"/>\n${body.trim()}`;
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
