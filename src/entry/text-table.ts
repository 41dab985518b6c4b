import { wrap } from "../ground/wrap.ts";

/**
 * Rows of cells as aligned lines. The first row has the names of the columns; those in `left` are
 * aligned to the left. With `width`, the last column is wrapped to lines of that many characters.
 */
export function textTable(
  table: readonly (readonly string[])[],
  left: ReadonlySet<string>,
  width = Number.POSITIVE_INFINITY,
): string {
  const [head] = table as [readonly string[]];
  const last = head.length - 1;
  const sizes = head.map((_, c) => Math.max(...table.map((row) => row[c]!.length)));
  const before = sizes.slice(0, last).reduce((sum, size) => sum + size + 2, 0);
  const align = (cell: string, c: number) =>
    left.has(head[c]!) ? cell.padEnd(sizes[c]!) : cell.padStart(sizes[c]!);
  const lines = table.flatMap((row) => {
    if (before + sizes[last]! <= width) return [row.map(align).join("  ")];
    const [first = "", ...more] = wrap(row[last]!, Math.max(width - before, leastWrapped));
    const line = [...row.slice(0, last).map(align), first].join("  ");
    return [line, ...more.map((text) => " ".repeat(before) + text)];
  });
  return lines.map((line) => line.trimEnd()).join("\n");
}

/** A narrower column is left to the terminal. */
const leastWrapped = 16;
