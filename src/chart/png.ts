import { readFile } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { assets } from "../ground/assets.ts";
import { darkened } from "./palette.ts";

export type Theme = "light" | "dark";

/** Pixels of a PNG for each pixel of its picture: screens of phones and Macs have two or more. */
const density = 2;

/** Files that are kept, as a model's cards are compared first and then sent. */
const mostKept = 64;
const kept = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

/** Both weights of the one font that pictures are drawn with. Loaded once, with the renderer. */
let fonts: Promise<readonly Uint8Array[]> | null = null;

/**
 * Draws a picture of `drawSvg` as a PNG file, in the colours of one theme. The font is our own and
 * the renderer is WebAssembly, so the same SVG gives the same bytes on every machine. Letters that
 * the font lacks are drawn as boxes. Throws an Error for an SVG that cannot be drawn.
 */
export function drawPng(svg: string, theme: Theme): Promise<Uint8Array<ArrayBuffer>> {
  const key = `${theme} ${svg}`;
  const png = kept.get(key) ?? render(svg, theme);
  kept.delete(key); // the newest is last
  kept.set(key, png);
  for (const oldest of kept.keys()) if (kept.size > mostKept) kept.delete(oldest);
  return png;
}

async function render(svg: string, theme: Theme): Promise<Uint8Array<ArrayBuffer>> {
  fonts ??= load();
  const options = {
    font: {
      fontBuffers: [...(await fonts)],
      ...{ defaultFontFamily: "Arimo", sansSerifFamily: "Arimo" },
    },
    fitTo: { mode: "zoom", value: density },
  } as const;
  await setImmediate(); // drawing takes a while: connections get their turn between two pictures
  const drawing = new Resvg(theme === "dark" ? darkened(svg) : svg, options);
  try {
    const image = drawing.render();
    try {
      return new Uint8Array(image.asPng());
    } finally {
      image.free();
    }
  } finally {
    drawing.free();
  }
}

async function load(): Promise<readonly Uint8Array[]> {
  const weights = ["Arimo-Regular.ttf", "Arimo-Bold.ttf"];
  const [renderer, ...read] = await Promise.all(
    [assets.renderer, ...weights.map((name) => new URL(name, assets.fonts))].map((url) =>
      readFile(url),
    ),
  );
  await initWasm(compileOnce(renderer!));
  return read;
}

/** V8's budget of a WebAssembly function before it is compiled a second time: one never spent. */
const wholeBudget = 2_000_000_000;
/** V8's own. */
const usualBudget = 13_000_000;

/**
 * Compiles the renderer for some pictures, not for hours: V8 would compile what is used more often
 * again, optimized, in other threads. That takes twice the CPU time of drawing, and 70 MB.
 */
function compileOnce(code: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  setFlagsFromString(`--wasm-tiering-budget=${wholeBudget}`);
  try {
    return new WebAssembly.Module(code);
  } finally {
    setFlagsFromString(`--wasm-tiering-budget=${usualBudget}`);
  }
}
