import { pictureFiles } from "../../src/card/picture-files.ts";
import { drawPictures } from "../../src/card/pictures.ts";
import { renderCard } from "../../src/card/render.ts";
import type { Receipt } from "../../src/receipt/receipt.ts";
import { dataUrl, renderOnGitHub } from "./github-page.ts";

/** A card on the Hub as HTML, without front matter, with its PNG pictures inside. */
export async function cardHtml(receipt: Receipt): Promise<string> {
  const { files } = await pictureFiles(drawPictures(receipt));
  const card = (await renderCard(receipt)).replace(/^---\n[\s\S]*?^---\n/m, "");
  return renderOnGitHub(card, "summary").replace(
    /(?<= src(?:set)?=")(?:https:\/\/huggingface\.co\/[^"]*\/)?(oqe-[\w-]+\.png)/g,
    (_, path: string) => dataUrl(files.get(path)!),
  );
}
