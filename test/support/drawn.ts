import { bitsDrawing } from "../../src/chart/bits-picture.ts";
import { divergenceDrawing } from "../../src/chart/divergence-picture.ts";
import { type Drawing, drawSvg } from "../../src/chart/drawing.ts";
import { expertsDrawing } from "../../src/chart/experts-picture.ts";
import { languagesDrawing } from "../../src/chart/languages-picture.ts";

/** The charts as SVG documents; null where a chart has nothing to show. */
const drawn =
  <T extends readonly unknown[]>(chart: (...of: T) => Drawing | null) =>
  (...of: T): string | null => {
    const drawing = chart(...of);
    return drawing && drawSvg(drawing);
  };

export const drawBits = drawn(bitsDrawing);
export const drawDivergence = drawn(divergenceDrawing);
export const drawExperts = drawn(expertsDrawing);
export const drawLanguages = drawn(languagesDrawing);
