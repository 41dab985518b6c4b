import type { Receipt } from "../receipt/receipt.ts";
import { renderNamed } from "../template/template.ts";
import { cardFacts } from "./facts.ts";
import { frontMatter, serializeFrontMatter } from "./front-matter.ts";
import { inline } from "./markdown.ts";
import { namePictures, type PictureName } from "./pictures.ts";
import { type SummaryFacts, summaryView } from "./summary.ts";

/** The parts of the card, in their order: use and evidence, build, audit. */
const cardTemplates = [
  "model-card.md.jinja",
  "model-card-build.md.jinja",
  "model-card-audit.md.jinja",
] as const;

/**
 * The README.md of a tier: front matter and body. It depends only on the receipt and ends with one
 * newline. `pictures` are those of the receipt, if they are drawn already. Throws TEMPLATE.
 */
export async function renderCard(
  receipt: Receipt,
  pictures: readonly PictureName[] = namePictures(receipt),
): Promise<string> {
  const facts = cardFacts(receipt, pictures);
  const parts = await Promise.all(cardTemplates.map((name) => renderNamed(name, facts)));
  return `${serializeFrontMatter(frontMatter(receipt))}\n${parts.join("").trim()}\n`;
}

/**
 * The README.md of a tier whose card cannot be made. It claims nothing about the tier but its name.
 */
export function placeholderCard({ name }: Pick<Receipt, "name">): string {
  return [
    "---\nlibrary_name: mlx\ntags:\n  - mlx\n---\n",
    `# ${inline(name)}\n`,
    "The card of this tier could not be made. `oqe-receipt.json` has all of its facts, and",
    "`oqe card <folder>` makes the card from them.\n",
  ].join("\n");
}

/** The Action's job summary, in Markdown; ends with one newline. Throws TEMPLATE. */
export async function renderSummary(facts: SummaryFacts): Promise<string> {
  return `${(await renderNamed("summary.md.jinja", summaryView(facts))).trim()}\n`;
}
