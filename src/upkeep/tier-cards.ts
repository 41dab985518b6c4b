import { basename } from "node:path";
import { inRepository } from "../card/facts.ts";
import { cutCard, isBroken } from "../card/notes.ts";
import { type PictureFiles, pictureFiles } from "../card/picture-files.ts";
import { type CardPicture, drawPictures, picturePaths } from "../card/pictures.ts";
import { renderCard } from "../card/render.ts";
import { OqeError } from "../ground/errors.ts";
import { cardPath, type Hub, type RemoteState } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { inspectVisible } from "../series/published.ts";
import { checkTierName, tierName } from "../series/tier-names.ts";

/** A tier of a model of the series file. */
export interface TierPlace {
  readonly tier: string;
  /** `<namespace>/<name>` on the Hub. */
  readonly repository: string;
  /** Of its card in the GitHub repository: `cards/<series>/<tier>.md`. */
  readonly path: string;
}

/** A tier that is published, and its card made from its receipt. */
export interface TierCards extends TierPlace {
  readonly state: RemoteState & { readonly head: string };
  readonly receipt: Receipt;
  readonly pictures: readonly CardPicture[];
  /** What people wrote in the card on main; null: nothing that can be read. */
  readonly hubNotes: string | null;
}

/** Where cards and pictures of a series are in the GitHub repository. */
export function cardsFolder(series: string): string {
  return `cards/${series}`;
}

/** The tiers of a model, in the order of its series. Throws BAD_INPUT. */
export function tierPlaces(
  series: string,
  { baseModel, namespace, tiers }: Pick<Inputs, "baseModel" | "namespace" | "tiers">,
): readonly TierPlace[] {
  const model = basename(baseModel.kind === "folder" ? baseModel.path : baseModel.id);
  return tiers.map(({ name: tier }) => ({
    tier,
    repository: checkTierName(tierName(model, tier), namespace),
    path: `${cardsFolder(series)}/${tier}.md`,
  }));
}

/**
 * Reads a tier's receipt on main and draws its pictures. null: the tier is not published, or there
 * is no token, without which the Hub shows a missing one as it does a private one. If `isPrivate`,
 * it throws UNAUTHORIZED then. Throws BAD_INPUT for a receipt that cannot be read, NOT_OURS for one
 * of another repository.
 */
export async function readTier(
  hub: Hub,
  place: TierPlace,
  isPrivate = false,
): Promise<TierCards | null> {
  const { repository, tier } = place;
  const state = await (isPrivate ? hub.inspect(repository) : inspectVisible(hub, repository));
  const { head, card } = state;
  if (state.receipt === null || head === null) return null;
  const receipt = parseReceipt(state.receipt, `the receipt of ${repository}`);
  if (receipt.repository !== repository || receipt.plan.tier !== tier) {
    throw new OqeError(
      "NOT_OURS",
      `the receipt of ${repository} is that of ${receipt.repository}, tier ${receipt.plan.tier}`,
      "Somebody copied or renamed the repository. Publish the tier there again.",
    );
  }
  const cut = card === null ? null : cutCard(card);
  const hubNotes = cut === null || isBroken(cut) ? null : cut.notes;
  return {
    ...place,
    state: { ...state, head },
    receipt,
    hubNotes,
    pictures: drawPictures(receipt),
  };
}

/** The card as a file of the GitHub repository. Throws TEMPLATE. */
export function cardInRepository({ receipt, pictures }: TierCards, notes?: string) {
  const place = inRepository(receipt);
  return renderCard(receipt, { pictures, place, ...(notes !== undefined && { notes }) });
}

/** Card and pictures as files of the tier's repository on the Hub. Throws TEMPLATE. */
export async function filesOnHub(
  { receipt, pictures }: TierCards,
  notes: string,
): Promise<PictureFiles & { readonly card: string }> {
  const card = await renderCard(receipt, { pictures, notes });
  const { files, failures } = await pictureFiles(pictures);
  const made = new Map([[cardPath, new TextEncoder().encode(card)], ...files]);
  return { card, files: made, failures };
}

/** The same in the GitHub repository; null: a picture that the receipt has no figures for. */
export function filesInRepository(
  { path, pictures }: TierCards,
  card: string,
): ReadonlyMap<string, string | null> {
  const folder = path.replace(/\.md$/, "");
  const files = picturePaths.map((name) => {
    const picture = pictures.find((one) => one.path === name);
    return [`${folder}/${name}`, picture?.svg ?? null] as const;
  });
  return new Map([[path, card], ...files]);
}
