import { OqeError } from "../ground/errors.ts";

/**
 * Notes: what people write in a card. They stand between two markers, each alone on its line, in
 * the body of the card. Everything else of a card is made from the receipt.
 */

const start = "<!-- oqe:notes -->";
const end = "<!-- /oqe:notes -->";

/** What is between the markers of a card without notes. */
export const noNotes = "\n";

/** A card cut at its markers. */
export interface CutCard {
  readonly before: string;
  /** Everything from the start marker to the end marker, line breaks included. */
  readonly notes: string;
  readonly after: string;
}

/** Why a card cannot be cut, for people: `line 12: …`. */
export interface BrokenMarkers {
  readonly fault: string;
}

/** Anything that somebody may have meant as a marker. */
const nearMarker = /<!--[\s/]*oqe:notes[\s/]*-->/i;

/**
 * Cuts a card at its markers. null: the card has none, as cards of earlier versions. `fault`: one
 * is missing, there are several, or one is in a code block, so what people wrote is not certain.
 */
export function cutCard(card: string): CutCard | BrokenMarkers | null {
  const found: { readonly marker: string; readonly from: number; readonly line: number }[] = [];
  let fence: Fence | null = null;
  for (const { text, from, line } of bodyLines(card)) {
    const isMarker = text === start || text === end;
    if (isMarker && fence === null) found.push({ marker: text, from, line });
    else if (nearMarker.test(text)) return { fault: `line ${line}: ${misplaced(fence)}` };
    fence = nextFence(fence, text, line);
  }
  const [first, second, third] = found;
  if (first === undefined) return null;
  const at = (one: { line: number }) => `line ${one.line}`;
  if (first.marker === end) return { fault: `${at(first)}: ${end} comes before ${start}` };
  if (second === undefined) return { fault: `${at(first)}: ${start} has no ${end} after it` };
  if (second.marker === start) return { fault: `${at(second)}: a second ${start}` };
  if (third !== undefined) return { fault: `${at(third)}: a second ${third.marker}` };
  const from = first.from + start.length;
  return {
    before: card.slice(0, from),
    notes: card.slice(from, second.from),
    after: card.slice(second.from),
  };
}

export function isBroken(cut: CutCard | BrokenMarkers | null): cut is BrokenMarkers {
  return cut !== null && "fault" in cut;
}

/**
 * The card with these notes between its markers; the rest stays. Throws INTERNAL for a card
 * without markers, and for notes that were not cut from a card: then another run could not find
 * them.
 */
export function placeNotes(card: string, notes: string): string {
  const cut = cutCard(card);
  if (cut !== null && !isBroken(cut)) {
    const placed = cut.before + notes + cut.after;
    const again = cutCard(placed);
    if (again !== null && !isBroken(again) && again.notes === notes) return placed;
  }
  throw new OqeError("INTERNAL", "notes cannot be placed in a card");
}

function misplaced(fence: Fence | null): string {
  return fence === null
    ? `a marker must be alone on its line, as ${start} or ${end}`
    : `a marker is in the code block that begins in line ${fence.line}`;
}

/** Lines of the body: front matter holds names from outside, so a marker there means nothing. */
function* bodyLines(card: string) {
  const head = /^\uFEFF?---[ \t]*\r?\n(?:[\s\S]*?\r?\n)??---[ \t]*\r?\n/.exec(card)?.[0] ?? "";
  let from = head.length;
  let line = head.split("\n").length;
  while (from < card.length) {
    const next = card.indexOf("\n", from);
    const to = next === -1 ? card.length : next + 1;
    yield { text: card.slice(from, to).replace(/\r?\n$/, ""), from, line };
    from = to;
    line++;
  }
}

/** An open fenced code block (CommonMark 4.5). */
interface Fence {
  readonly marks: string;
  readonly line: number;
}

function nextFence(open: Fence | null, text: string, line: number): Fence | null {
  const [, marks = "", rest = ""] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(text) ?? [];
  if (marks === "") return open;
  if (open === null) return marks[0] === "`" && rest.includes("`") ? null : { marks, line };
  const closes = marks.startsWith(open.marks) && rest.trim() === "";
  return closes ? null : open;
}
