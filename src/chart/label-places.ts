import { widthOf } from "./labels.ts";

/** A mark and the label to place beside it, in pixels. */
export interface Labelled {
  readonly x: number;
  readonly y: number;
  readonly label: string;
  /** The side to try first. */
  readonly prefer: "above" | "below";
}

export interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const half = { line: 8, mark: 7 };
/**
 * Offsets of a label's middle from that of its mark, best first; `w` is half the label's width.
 * They avoid a curve that falls to the right.
 */
const below = (w: number) => [
  [-20, 19],
  [-14 - w, 0],
  [14 + w, 0],
  [-14 - w, 17],
  [-20, 36],
  ...[19, 36, 53].flatMap((dy) => [
    [w - 8, dy],
    [8 - w, dy],
  ]),
];
const above = (w: number) => [
  [16, -19],
  [14 + w, 0],
  [14 + w, -17],
  [16, -36],
  ...[-19, -36, -53].flatMap((dy) => [
    [w - 8, dy],
    [8 - w, dy],
  ]),
];

/**
 * Places labels one after the other. The middle of each is at the first offset that is inside the
 * frame and overlaps no mark and no earlier label. If there is none, it is at the first offset, as
 * far as the frame allows. Widths are upper estimates.
 */
export function placeLabels(
  items: readonly Labelled[],
  frame: Frame,
): readonly (readonly [number, number])[] {
  const taken: Frame[] = items.map(({ x, y }) => around(x, y, half.mark, half.mark));
  return items.map(({ x, y, label, prefer }) => {
    const w = widthOf(label) / 2;
    const offsets = prefer === "below" ? [...below(w), ...above(w)] : [...above(w), ...below(w)];
    const places = offsets.map(([dx = 0, dy = 0]) => [x + dx, y + dy] as const);
    const found = places.find(([cx, cy]) => {
      const box = around(cx, cy, w, half.line);
      return isInside(box, frame) && !taken.some((other) => overlap(box, other));
    });
    const [left, right] = [frame.left + w, frame.right - w];
    const [firstX, firstY] = places[0]!;
    const place = found ?? ([Math.max(left, Math.min(right, firstX)), firstY] as const);
    taken.push(around(...place, w, half.line));
    return place;
  });
}

function around(x: number, y: number, w: number, h: number): Frame {
  return { left: x - w, right: x + w, top: y - h, bottom: y + h };
}

function isInside(box: Frame, frame: Frame): boolean {
  return (
    box.left >= frame.left &&
    box.right <= frame.right &&
    box.top >= frame.top - 8 &&
    box.bottom <= frame.bottom
  );
}

function overlap(a: Frame, b: Frame): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
