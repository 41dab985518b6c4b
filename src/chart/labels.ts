/** Size of the letters of labels, in pixels. */
export const letter = 13;

/** Width in em of a letter in the widest common sans-serif font: readers have different fonts. */
const wide: readonly (readonly [RegExp, number])[] = [
  [/[ijl.,:;'|!·()[\]]/, 0.4],
  [/[\d\s±+=<>≤≥/-]/, 0.66],
  [/[mwMW@%…—]/, 1.02],
  [/[a-z]/, 0.65],
  [/[A-Z\u00a0-\u024f]/, 0.8],
];

/** Pixels that a label takes at most, bold or not. */
export function widthOf(label: string, size = letter): number {
  return [...label].reduce(
    (sum, letter) => sum + (wide.find(([those]) => those.test(letter))?.[1] ?? 1.1) * size,
    0,
  );
}

/**
 * Untrusted text as a label: one line without control characters, cut to `width` pixels.
 */
export function labelText(text: string, width = 150): string {
  const line = text.replace(/[\p{C}\s]+/gu, " ").trim();
  if (widthOf(line) <= width) return line;
  const letters = [...line].slice(0, 200);
  while (letters.length > 0 && widthOf(`${letters.join("")}…`) > width) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}

/** Words of ours in lines of at most `width` pixels. */
export function linesOf(words: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of words.split(" ")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && widthOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
