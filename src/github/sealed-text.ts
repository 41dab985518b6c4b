import { createHash } from "node:crypto";

// A text of ours on GitHub begins with a marker, by which it is found again, and ends with a seal:
// the hash of what it says. Both are comments that GitHub does not show.

/** GitHub's limits, in characters. */
export const longest = { body: 65_536, title: 256 } as const;

/** Length of marker, seal and what says that a text was cut. */
const reserve = 600;

/** Characters of a body that are never cut. */
export const longestBody = longest.body - reserve;

/** The marker of one thing, such as the plan of `series.yml` or the cards of `nano`. */
export function marker(kind: string, name: string): string {
  const plain = (text: string) => text.replace(/[^\w.-]+/g, "-").replace(/^-+|-+$/g, "") || "x";
  return `<!-- oqe:${plain(kind)}:${plain(name)} -->`;
}

/** A hash for a seal. The parts are told apart. */
export function digestOf(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}

/** Named hashes that a text ends with. */
export type Seals = Readonly<Record<string, string>>;

/**
 * The text to send: marker, body, seals. A body that is too long for GitHub is cut at the end of a
 * line and says so. Nobody is notified: an `@name` gets an invisible character behind its `@`.
 */
export function sealedText(mark: string, body: string, seals: Seals): string {
  const quiet = withoutMentions(body.trim());
  const text = quiet.length <= longestBody ? quiet : cut(quiet, longestBody);
  return `${mark}\n${text}\n\n${sealOf(seals)}`;
}

function sealOf(seals: Seals): string {
  const words = Object.entries(seals).map(([name, hash]) => `${name}=${hash}`);
  return `<!-- oqe-seal ${words.join(" ")} -->`;
}

/** A text of ours with other seals. */
export function resealed(text: string, seals: Seals): string {
  return `${text.replace(/<!-- oqe-seal [^>]*-->\s*$/, "").trimEnd()}\n\n${sealOf(seals)}`;
}

/** Whether a text on GitHub has this marker at its very beginning; a quotation has it elsewhere. */
export function isMarked(text: string | null | undefined, mark: string): boolean {
  return text?.split(/\r?\n/, 1)[0] === mark;
}

/** The seals of a text on GitHub; empty if there are none. */
export function sealsOf(text: string | null | undefined): Seals {
  const words = /<!-- oqe-seal ([\w= -]*) -->\s*$/.exec(text ?? "")?.[1] ?? "";
  return Object.fromEntries([...words.matchAll(/(\w+)=([0-9a-f]+)/g)].map(([, a, b]) => [a, b]));
}

/** A title on one line, without mentions. */
export function plainTitle(title: string): string {
  const line = withoutMentions(title.replace(/[\p{Cc}\s]+/gu, " ").trim());
  return line.length > longest.title ? `${line.slice(0, longest.title - 1)}…` : line;
}

/** GitHub takes `@name` for a person unless a letter, a digit or `/` is before it. */
export function withoutMentions(text: string): string {
  return text.replace(/(?<![\w/])@(?=[\w-])/g, "@\u200b");
}

/** At most `room` characters of whole lines. What is open is closed: code, details. */
function cut(text: string, room: number): string {
  const end = text.lastIndexOf("\n", room);
  const kept = text.slice(0, end > 0 ? end : room);
  const left = text.length - kept.length;
  const fences = kept.match(/^ {0,3}```/gm)?.length ?? 0;
  const opened = (kept.match(/<details/g)?.length ?? 0) - (kept.match(/<\/details>/g)?.length ?? 0);
  const close = [
    ...(fences % 2 === 1 ? ["\n```"] : []),
    ...Array<string>(Math.max(0, opened)).fill("\n</details>"),
  ].join("");
  return `${kept}${close}\n\n*${left} characters more are too many for GitHub and left out.*`;
}
