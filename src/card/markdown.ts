/**
 * Puts text from outside (names, tags, licences, names of tensors and files) into Markdown. It
 * cannot end a table cell, open a tag or a link, or leave its line.
 */
const longest = 500;

/**
 * One line, no control characters and none that reorder text (Unicode TR 36), at most 500
 * characters.
 */
function oneLine(text: string): string {
  const line = text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
  const characters = [...line.trim()];
  return characters.length > longest
    ? `${characters.slice(0, longest - 1).join("")}…`
    : characters.join("");
}

/** Plain text for a sentence, a list item or a table cell. */
export function inline(text: string): string {
  return escaped(oneLine(text));
}

function escaped(text: string): string {
  return text
    .replace(/[\\`*[\]|~$!]/g, "\\$&")
    .replace(/(?<!\w)_|_(?!\w)/g, "\\_") // inside a word an underscore is not markup
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/^[#+=-]/, "\\$&")
    .replace(/^(\d+)([.)])(?=\s|$)/, "$1\\$2");
}

/**
 * A sentence of ours with text of others inside. `Names` and markers of notes in backticks stay
 * code if they are plain; the rest is escaped.
 */
export function prose(text: string): string {
  const parts = oneLine(text).split(/`([\w.-]+|<!-- \/?oqe:notes -->)`/);
  return parts.map((part, index) => (index % 2 === 1 ? `\`${part}\`` : escaped(part))).join("");
}

/**
 * A code span if the text cannot break out of it; otherwise plain text, because escapes do not work
 * in code spans.
 */
export function code(text: string): string {
  return /^[\w.,:;/@+=()*#-]([\w.,:;/@+=()*# -]*[\w.,:;/@+=()*#-])?$/.test(text) &&
    text.length <= longest
    ? `\`${text}\``
    : inline(text);
}

/**
 * A link if `url` is a plain http(s) address; otherwise only the label. `label` is Markdown
 * already.
 */
export function link(label: string, url: string): string {
  const address = webAddress(url);
  return address === null ? label : `[${label}](${address})`;
}

/** The address, spelled so that it cannot end a Markdown link; null unless it is http(s). */
export function webAddress(url: string): string | null {
  if (url.length > longest || !URL.canParse(url)) return null;
  const parsed = new URL(url);
  if (parsed.protocol !== "https:" && parsed.protocol !== "http:") return null;
  if (parsed.username !== "" || parsed.password !== "") return null;
  return parsed.href.replace(/[()<>[\]`|\\"'*_~$!]/g, (character) =>
    character === "_" ? "_" : `%${hex(character)}`,
  );
}

function hex(character: string): string {
  return character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
}

/**
 * Text from outside in an attribute of an HTML tag, between double quotes. Characters that mean
 * something in Markdown become references too.
 */
export function attribute(text: string): string {
  return oneLine(text).replace(/[&"<>[\]`*|\\{}]/g, (one) => `&#${one.charCodeAt(0)};`);
}

/** A value as JSON for an HTML comment: valid JSON without `<`, `>` and `--`. */
export function commentJson(value: unknown): string {
  return JSON.stringify(value)
    .replace(/</g, "\\u003c")
    .replace(/>/g, "\\u003e")
    .replace(/--/g, "-\\u002d");
}

/** A string literal of Python. All escapes of JSON are valid there, and it stays on one line. */
export function pythonString(text: string): string {
  return JSON.stringify(oneLine(text));
}

/** One word of a POSIX shell command. */
export function shellWord(text: string): string {
  const line = oneLine(text);
  return /^[\w@%+=:,./][\w@%+=:,./-]*$/.test(line) ? line : `'${line.replace(/'/g, `'\\''`)}'`;
}
