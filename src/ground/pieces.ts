/** `[start, end)` of `count`, `size` at a time. The last piece may be smaller. */
export function pieces(count: number, size: number): [start: number, end: number][] {
  const starts = Array.from({ length: Math.ceil(count / size) }, (_, i) => i * size);
  return starts.map((start) => [start, Math.min(count, start + size)]);
}
