import { createTwoFilesPatch } from "diff";

/** Lines of a diff that a message shows. */
const mostLines = 60;
const longestLine = 200;

/**
 * What differs between two cards, as a unified diff for a message: `-` lines are only in the first.
 * Long diffs and lines are cut. Empty if both are the same.
 */
export function describeChanges(
  [fromName, from]: readonly [name: string, text: string],
  [toName, to]: readonly [name: string, text: string],
): string {
  if (from === to) return "";
  const patch = createTwoFilesPatch(fromName, toName, from, to, "", "", { context: 2 });
  const lines = patch.trimEnd().split("\n").slice(1); // the first is a line of "="
  const shown = lines.slice(0, mostLines).map(printable);
  const more = lines.length - shown.length;
  return [...shown, ...(more > 0 ? [`(${more} more lines)`] : [])].join("\n");
}

/** Without control characters, and without the beginning of a command of the Actions log. */
function printable(line: string): string {
  const plain = line
    .replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, " ")
    .replace(/##\[/g, "## [")
    .replace(/^(\s*)::/, "$1: :");
  return plain.length > longestLine ? `${plain.slice(0, longestLine - 1)}…` : plain;
}
