import { findEdits, readNotes } from "../card/kept-notes.ts";
import { code } from "../card/markdown.ts";
import { readCheckedOut } from "./checked-out.ts";
import { forEachModel } from "./each-model.ts";
import { cardInRepository, readTier, tierPlaces } from "./tier-cards.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/**
 * Checks the cards of these models in the checked-out repository before they are merged, against
 * the receipts on the Hub. Writes nothing. The failure is BAD_INPUT with the difference for a card
 * whose markers are broken, because it could not be sent to the Hub.
 */
export async function checkCards(
  models: readonly string[],
  request: UpkeepRequest,
): Promise<UpkeepResult> {
  const { asked, environment } = request;
  if (models.length === 0) return { outputs: {}, summary: "", failure: null };
  const hub = request.connect();
  const chosen = { ...request, asked: { ...asked, models } };
  return forEachModel(chosen, "What merging these cards does", async ({ name }, inputs) => {
    const lines: string[] = [];
    for (const place of tierPlaces(name, inputs)) {
      const { path } = place;
      const text = await readCheckedOut(environment.GITHUB_WORKSPACE || ".", path);
      if (text === null) continue;
      const tier = await readTier(hub, place);
      if (tier === null) {
        lines.push(`${code(path)} cannot be sent: its tier is not published yet`);
        continue;
      }
      const made = await cardInRepository(tier);
      const found = { where: path, text };
      readNotes(found, made);
      const isEdited = findEdits(found, made) !== "";
      lines.push(`${code(path)}: the notes between the markers are sent${isEdited ? undone : ""}`);
    }
    return lines;
  });
}

const undone =
  "; the rest differs from the card that the receipt gives, and is replaced by that card";
