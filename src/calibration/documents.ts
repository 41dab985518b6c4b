/**
 * Most UTF-16 units that are encoded at once: some tokenizers need time that grows faster than
 * their input.
 */
const sectionLength = 16_384;

/** Documents of a plain text: separated by form feeds if it has any, else by empty lines. */
export function documentsOf(text: string): string[] {
  return text
    .split(text.includes("\f") ? "\f" : /\r?\n(?:[ \t]*\r?\n)+/)
    .map((document) => document.replace(/^(?:[ \t]*\r?\n)+/, "").trimEnd())
    .filter((document) => document !== "");
}

/**
 * The documents. One that is longer than a section is cut at the end of a line; a line that is
 * longer than a section is cut between two characters.
 */
export function sectionsOf(documents: readonly string[]): string[] {
  return documents.flatMap((document) => {
    const sections: string[] = [];
    for (let start = 0; start < document.length; start += sections.at(-1)!.length) {
      const most = document.slice(start, start + sectionLength);
      sections.push(start + most.length === document.length ? most : cut(most));
    }
    return sections;
  });
}

/** The text up to its last whole line, or up to its last whole character. */
function cut(text: string): string {
  const line = text.lastIndexOf("\n") + 1;
  if (line > 0) return text.slice(0, line);
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}
