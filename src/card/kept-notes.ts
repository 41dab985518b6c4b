import { OqeError } from "../ground/errors.ts";
import { describeChanges } from "./card-changes.ts";
import { cutCard, isBroken, noNotes, placeNotes } from "./notes.ts";

/** A card that exists, and its place for messages. */
export interface FoundCard {
  readonly where: string;
  readonly text: string;
}

/**
 * What people wrote in a card that is to be replaced by `made`. Throws BAD_INPUT, with the
 * differences between both, for a card with broken markers: what people wrote there would be lost.
 */
export function readNotes({ where, text }: FoundCard, made: string): string {
  const cut = cutCard(text);
  if (!isBroken(cut)) return cut?.notes ?? noNotes;
  const changes = describeChanges([where, text], ["the card from the receipt", made]);
  throw new OqeError(
    "BAD_INPUT",
    `${where} is not overwritten, because its markers for notes are broken. ${cut.fault}.\n${changes}`,
    "Restore the markers: `<!-- oqe:notes -->` and `<!-- /oqe:notes -->`, once each, alone on " +
      "their lines, around what you wrote. To drop all of it, delete the file.",
  );
}

/**
 * What people changed outside the markers, where every line is made from the receipt: a diff from
 * `text` to `made`, leaving notes out. Empty if they changed nothing there.
 */
export function findEdits({ where, text }: FoundCard, made: string): string {
  const cut = cutCard(text);
  const plain = cut === null || isBroken(cut) ? text : placeNotes(text, noNotes);
  return describeChanges([where, plain], ["the card from the receipt", placeNotes(made, noNotes)]);
}
