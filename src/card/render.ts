import type { Receipt } from "../receipt/receipt.ts";
import { renderNamed } from "../template/template.ts";
import { cardFacts } from "./facts.ts";
import { frontMatter, serializeFrontMatter } from "./front-matter.ts";
import { inline } from "./markdown.ts";
import { namePictures, type PictureName } from "./pictures.ts";
import { type SummaryFacts, summaryView } from "./summary.ts";

/**
 * The README.md of a tier: front matter and body. It depends only on the receipt and ends with one
 * newline. `pictures` are those of the receipt, if they are drawn already. Throws TEMPLATE.
 */
export async function renderCard(
  receipt: Receipt,
  pictures: readonly PictureName[] = namePictures(receipt),
): Promise<string> {
  const body = await renderNamed("model-card.md.jinja", cardFacts(receipt, pictures));
  return `${serializeFrontMatter(frontMatter(receipt))}\n${body.trim()}\n`;
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
