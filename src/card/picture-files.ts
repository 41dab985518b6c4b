import { drawPlaceholder, pictureWidth } from "../chart/drawing.ts";
import { drawPng } from "../chart/png.ts";
import { reasonOf } from "../ground/reasons.ts";
import { attribute } from "./markdown.ts";
import { type CardPicture, type PictureName, type PicturePath, picturePaths } from "./pictures.ts";

/** A picture as PNG files, for pages of both themes. */
export function pngPaths(path: PicturePath): { readonly light: string; readonly dark: string } {
  const name = path.replace(/\.svg$/, "");
  return { light: `${name}.png`, dark: `${name}-dark.png` };
}

/**
 * A picture as an image in Markdown, by its PNG files in the theme of the reader's system. Folders
 * have "/" at the end. The Hub serves SVG as an image only to a request that says it is for one
 * (docs/card.md).
 */
export function pngImage(
  { path, alt }: PictureName,
  folders: Readonly<Record<"light" | "dark", string>>,
): string {
  const { light, dark } = pngPaths(path);
  return (
    `<picture><source media="(prefers-color-scheme: dark)" srcset="${attribute(folders.dark + dark)}">` +
    `<img src="${attribute(folders.light + light)}" alt="${attribute(alt)}" width="${pictureWidth}"></picture>`
  );
}

/** Every file that pictures of a tier can have. */
export const pictureFilePaths: readonly string[] = picturePaths.flatMap((path) => {
  const { light, dark } = pngPaths(path);
  return [path, light, dark];
});

export interface PictureFiles {
  /** SVG and PNG files by path. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** What could not be drawn and is a placeholder, with the reason. */
  readonly failures: readonly string[];
}

/**
 * The files of these pictures. A PNG that cannot be drawn shows the picture's name in its place.
 */
export async function pictureFiles(pictures: readonly CardPicture[]): Promise<PictureFiles> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const failures = pictures.flatMap(({ failure }) => failure ?? []);
  for (const { path, svg, alt, failure } of pictures) {
    files.set(path, new TextEncoder().encode(svg));
    for (const [theme, png] of Object.entries(pngPaths(path)) as ["light" | "dark", string][]) {
      const drawn = await drawPng(svg, theme).catch((cause) => {
        if (failure === null) failures.push(`${png}: ${reasonOf(cause)}`);
        return drawPng(drawPlaceholder(alt), theme);
      });
      files.set(png, drawn);
    }
  }
  return { files, failures };
}
