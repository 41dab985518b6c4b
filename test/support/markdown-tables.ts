import { expect } from "vitest";

/** Cells of the table row that begins with this cell; none where there is no such row. */
export function row(text: string, first: string): string[] {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`| ${first}`));
  return line === undefined ? [] : cells(line);
}

export function cells(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** Every table of the text has the same number of cells in all its rows. */
export function expectWholeTables(text: string) {
  for (const block of text
    .split(/\n(?!\|)/)
    .map((part) => part.split("\n").filter((line) => line.startsWith("|")))) {
    const widths = new Set(block.map((line) => cells(line).length));
    expect([...widths].length, block.join("\n")).toBeLessThanOrEqual(1);
  }
}

/** A card without front matter, code blocks and comments: where Markdown and HTML apply. */
export function prose(text: string): string {
  return text
    .replace(/^---\n[\s\S]*?^---\n/m, "")
    .replace(/^```[\s\S]*?^```/gm, "")
    .replace(/^<!-- .* -->$/gm, "");
}

/** What follows a heading or a summary, up to the next one. */
export function section(text: string, title: string): string {
  return text.split(/^#{2,3} |^<summary>/m).find((part) => part.startsWith(title)) ?? "";
}

/**
 * A row without the spaces that keep figures on one line. The figures in small letters of a cell
 * follow its first line.
 */
export function plainRow(text: string, first: string): readonly string[] {
  return row(text, first).flatMap((cell) =>
    cell
      .replaceAll("\u00a0", " ")
      .replace("</sub>", "")
      .split(/<br><sub>| · /),
  );
}
