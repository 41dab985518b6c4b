import { pictureFiles } from "../card/picture-files.ts";
import { drawPictures } from "../card/pictures.ts";
import { renderCard } from "../card/render.ts";
import { sha256Of } from "../hub/sums.ts";
import type { Receipt } from "../receipt/receipt.ts";
import type { TierState } from "./published.ts";

/**
 * Whether card or pictures on main differ from what the receipt gives today, with what people wrote
 * between the markers. Throws TEMPLATE.
 */
export async function isCardStale(
  receipt: Receipt,
  { sums, card, notes }: Pick<TierState, "sums" | "card" | "notes">,
): Promise<boolean> {
  const pictures = drawPictures(receipt);
  if (card !== (await renderCard(receipt, { pictures, notes }))) return true;
  const { files } = await pictureFiles(pictures);
  return [...files].some(([path, content]) => sums?.get(path) !== sha256Of(content));
}
