import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inflateSync } from "node:zlib";

/** Headless Chromium, by its command line alone. */
const names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const folders = (process.env.PATH ?? "").split(":");

/** Path of the browser; null where this machine has none. */
export const browser: string | null =
  folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path)) ?? null;

export type Scheme = "light" | "dark";

/** Pixels of height, more than the bars of a window take. */
const bars = 300;

const flags = (scheme: Scheme, width: number, height: number) => [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--hide-scrollbars",
  "--force-device-scale-factor=1",
  "--allow-file-access-from-files",
  `--blink-settings=preferredColorScheme=${scheme === "dark" ? 0 : 1}`,
  `--window-size=${width},${height}`,
];

/**
 * Returns what a page's script writes as JSON into the element `#result`. The window is `height`
 * pixels high.
 */
export async function askPage<T>(
  html: string,
  scheme: Scheme,
  height: number,
  width = 900,
): Promise<T> {
  return inPage(html, {}, (page) => {
    const dom = run([...flags(scheme, width, height + bars), "--dump-dom", page]).toString("utf8");
    const [, result] = /<pre id="result">([\s\S]*?)<\/pre>/.exec(dom) ?? [];
    if (result === undefined) throw new Error(`the page left no result: ${dom.slice(0, 500)}`);
    return JSON.parse(
      result.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&"),
    ) as T;
  });
}

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue of a pixel. */
  at(x: number, y: number): readonly [number, number, number];
  /** The file that the browser wrote. */
  readonly png: Uint8Array;
}

/** A screenshot of a page of this size, with files beside it. */
export async function screenshot(
  html: string,
  files: Readonly<Record<string, string>>,
  scheme: Scheme,
  size: { readonly width: number; readonly height: number },
): Promise<Pixels> {
  return inPage(html, files, async (page, folder) => {
    const path = join(folder, "shot.png");
    run([...flags(scheme, size.width, size.height), `--screenshot=${path}`, page]);
    return decodePng(await readFile(path));
  });
}

function run(args: readonly string[]): Buffer {
  if (browser === null) throw new Error("no chromium: run .ci/toolchain browser");
  const { status, stdout, stderr, error } = spawnSync(browser, args, {
    timeout: 60_000,
    maxBuffer: 2 ** 28,
  });
  if (status !== 0)
    throw new Error(`chromium ended with ${status}: ${error ?? stderr.toString().slice(-500)}`);
  return stdout;
}

async function inPage<T>(
  html: string,
  files: Readonly<Record<string, string>>,
  use: (page: string, folder: string) => T | Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "oqe-page-"));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const page = join(folder, "page.html");
    await writeFile(page, `<!doctype html><meta charset="utf-8">${html}`);
    return await use(pathToFileURL(page).href, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Decodes the two kinds of PNG that the browser writes: 8 bits per channel, RGB or RGBA, not
 * interlaced. Filters: PNG specification, section 9.2.
 */
function decodePng(png: Buffer): Pixels {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = { 2: 3, 6: 4 }[png[25]!];
  if (png[24] !== 8 || channels === undefined || png[28] !== 0)
    throw new Error("a kind of PNG that was not expected");
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString("latin1", at + 4, at + 8) === "IDAT")
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const raw = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const out = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]!;
    for (let i = 0; i < stride; i++) {
      const left = i >= channels ? out[y * stride + i - channels]! : 0;
      const up = y > 0 ? out[(y - 1) * stride + i]! : 0;
      const corner = y > 0 && i >= channels ? out[(y - 1) * stride + i - channels]! : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!;
      out[y * stride + i] = raw[y * (stride + 1) + 1 + i]! + guess;
    }
  }
  const at = (x: number, y: number) => {
    const from = y * stride + x * channels;
    return [out[from]!, out[from + 1]!, out[from + 2]!] as const;
  };
  return { width, height, at, png };
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
