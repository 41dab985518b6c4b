/** Lines of at most `width` characters, broken at blanks. A longer word has its own line. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** The same with `indent` before each line, as one text. */
export function wrapped(text: string, width: number, indent = ""): string {
  return wrap(text, width - indent.length)
    .map((line) => indent + line)
    .join("\n");
}
