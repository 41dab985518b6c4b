import type { Receipt } from "../receipt/receipt.ts";
import { renderNamed } from "../template/template.ts";
import { type CardPlace, cardFacts, onHub } from "./facts.ts";
import { frontMatter, serializeFrontMatter } from "./front-matter.ts";
import { inline } from "./markdown.ts";
import { noNotes, placeNotes } from "./notes.ts";
import { namePictures, type PictureName } from "./pictures.ts";
import { type SummaryFacts, summaryView } from "./summary.ts";

/** The parts of the card, in their order: use and evidence, build, audit. */
const cardTemplates = [
  "model-card.md.jinja",
  "model-card-build.md.jinja",
  "model-card-audit.md.jinja",
] as const;

/** What a card has beside the facts of its receipt. */
export interface CardExtras {
  /** Those of the receipt, if they are drawn already. */
  readonly pictures?: readonly PictureName[];
  /** What people wrote between the markers (notes.ts). */
  readonly notes?: string;
  /** Where it will be read. */
  readonly place?: CardPlace;
}

/**
 * The README.md of a tier: front matter and body. It depends only on the receipt and on what people
 * wrote, and ends with one newline. Throws TEMPLATE.
 */
export async function renderCard(receipt: Receipt, extras: CardExtras = {}): Promise<string> {
  const { pictures = namePictures(receipt), notes = noNotes, place = onHub } = extras;
  const facts = cardFacts(receipt, pictures, place);
  const parts = await Promise.all(cardTemplates.map((name) => renderNamed(name, facts)));
  const card = `${serializeFrontMatter(frontMatter(receipt))}\n${parts.join("").trim()}\n`;
  return placeNotes(card, notes);
}

/**
 * The README.md of a tier whose card cannot be made. It claims nothing about the tier but its name.
 */
export function placeholderCard({ name }: Pick<Receipt, "name">, notes = noNotes): string {
  const card = [
    "---\nlibrary_name: mlx\ntags:\n  - mlx\n---\n",
    `# ${inline(name)}\n`,
    "The card of this tier could not be made. `oqe-receipt.json` has all of its facts, and",
    "`oqe card <folder>` makes the card from them.\n",
    "<!-- oqe:notes -->\n<!-- /oqe:notes -->\n",
  ].join("\n");
  return placeNotes(card, notes);
}

/** The Action's job summary, in Markdown; ends with one newline. Throws TEMPLATE. */
export async function renderSummary(facts: SummaryFacts): Promise<string> {
  return `${(await renderNamed("summary.md.jinja", summaryView(facts))).trim()}\n`;
}
