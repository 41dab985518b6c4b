/** Longest piece of text that is encoded at once, in UTF-16 units: some tokenizers' work grows faster than their input. */
const sectionLength = 16_384;

/** Documents of a plain text: separated by form feeds where there are any (source code), else by empty lines. */
export function documentsOf(text: string): string[] {
  return text
    .split(text.includes("\f") ? "\f" : /\r?\n(?:[ \t]*\r?\n)+/)
    .map((document) => document.replace(/^(?:[ \t]*\r?\n)+/, "").trimEnd())
    .filter((document) => document !== "");
}

/** The documents, those longer than a section cut at the end of a line (a line that is longer still: between two characters). */
export function sectionsOf(documents: readonly string[]): string[] {
  return documents.flatMap((document) => {
    const sections: string[] = [];
    let start = 0;
    while (document.length - start > sectionLength) {
      const end = cutBefore(document, start, start + sectionLength);
      sections.push(document.slice(start, end));
      start = end;
    }
    return [...sections, document.slice(start)];
  });
}

function cutBefore(text: string, start: number, limit: number): number {
  const line = text.lastIndexOf("\n", limit - 1) + 1;
  if (line > start) return line;
  const isPair = /[\ud800-\udbff]/.test(text[limit - 1]!);
  return isPair ? limit - 1 : limit;
}
