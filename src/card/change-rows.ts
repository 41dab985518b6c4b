import { table } from "../template/template-shapes.ts";
import { bitsPerWeight, grouped } from "./figures.ts";
import type { CardFigures } from "./machine-facts.ts";
import { code, inline } from "./markdown.ts";
import { estimate, ratio, share } from "./measured-figures.ts";

const none = "–";

type Figure = Exclude<keyof CardFigures, "base" | "revision" | "version" | "method" | "policy">;

/** A number in words; null where the card says nothing. */
function words(of: CardFigures, key: Figure, write: (value: number) => string): string | null {
  const value = of[key];
  return value === null ? null : write(value);
}

const rows: readonly (readonly [what: string, words: (of: CardFigures) => string | null])[] = [
  ["Mean KL", (of) => words(of, "meanKl", (kl) => estimate(kl, of.meanKlError))],
  ["Same top token", (of) => words(of, "sameTop", share)],
  ["Perplexity ratio", (of) => words(of, "perplexityRatio", (value) => ratio(value, null))],
  ["Router agreement", (of) => words(of, "routerAgreement", share)],
  ["Bytes", (of) => words(of, "bytes", grouped)],
  ["Bits per weight (plan)", (of) => words(of, "bpw", bitsPerWeight)],
  ["Base commit", ({ revision }) => revision && code(shortened(revision))],
  ["Recipe", recipeWords],
];

/**
 * What two cards claim, side by side, in Markdown. A figure that neither has is left out. `before`
 * is null for a new card.
 */
export function changeRows(before: CardFigures | null, after: CardFigures | null) {
  const cells = rows.map(([what, wordsOf]) => {
    const [old, now] = [before, after].map((of) => (of === null ? null : wordsOf(of)));
    return { what, before: old ?? none, after: now ?? none };
  });
  return table(
    ["what", "before", "after"],
    cells.filter((row) => row.before !== none || row.after !== none),
  );
}

/** The same as a Markdown table with these headings. Without `before` it has no column for that. */
export function changeTable(
  headings: readonly [string, string],
  [before, after]: readonly [CardFigures | null, CardFigures | null],
): string {
  const shown = (old: string, now: string) => (before === null ? [now] : [old, now]);
  return [
    ["", ...shown(...headings)],
    ["---", ...shown("---:", "---:")],
    ...changeRows(before, after).map((row) => [row.what, ...shown(row.before, row.after)]),
  ]
    .map((cells) => `| ${cells.join(" | ")} |\n`)
    .join("");
}

function recipeWords({ recipe, version, method, policy }: CardFigures): string | null {
  const parts = [
    ...(recipe === null ? [] : [`recipe ${recipe}`]),
    ...(version === null ? [] : [`oqe-publisher ${inline(version)}`]),
    ...[method, policy].flatMap((name) => (name === null ? [] : [code(name)])),
  ];
  return parts.length === 0 ? null : parts.join(", ");
}

/** A commit in twelve digits; a folder's hash as it is. */
function shortened(revision: string): string {
  return /^[0-9a-f]{40}$/.test(revision) ? revision.slice(0, 12) : revision;
}
