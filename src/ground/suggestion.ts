/** Changes that a slip of the keyboard makes: two, in a short word one. */
const mostChanges = (length: number) => (length < 5 ? 1 : 2);

/**
 * "Did you mean --tiers? " where one word is nearest to `text`, in any case, else "". `shown`: how
 * the message writes a word.
 */
export function didYouMean(
  text: string,
  words: readonly string[],
  shown: (word: string) => string = (word) => word,
): string {
  const own = text.toLowerCase();
  const ranked = words
    .map((word) => ({ word, changes: changesBetween(own, word.toLowerCase()) }))
    .sort((a, b) => a.changes - b.changes);
  const [first, second] = ranked;
  if (first === undefined || first.changes > mostChanges(own.length)) return "";
  return first.changes === second?.changes ? "" : `Did you mean ${shown(first.word)}? `;
}

/** Letters to insert, delete or replace to make `b` of `a` (Wagner and Fischer 1974). */
function changesBetween(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1));
    }
    above = row;
  }
  return above.at(-1)!;
}
