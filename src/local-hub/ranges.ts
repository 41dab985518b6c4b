import type { Reply } from "./exchange.ts";

/**
 * The range `[start, end)` of a `Range` header for `size` bytes (RFC 9110 §14). Null: send
 * everything, because the header is missing, malformed, or has several ranges. `"unsatisfiable"`:
 * answer 416.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | "unsatisfiable" | null {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return null;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return null;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}

/** Answers with bytes in memory or a file (by path): all of it, or the `range`. */
export function sliceReply(
  source: Buffer | string,
  size: number,
  range: string | undefined,
  headers: Record<string, string>,
): Reply {
  const body = (start: number, end: number) =>
    typeof source === "string" ? { file: source, start, end } : source.subarray(start, end);
  const wanted = parseRange(range, size);
  const all = { "Accept-Ranges": "bytes", ...headers };
  if (wanted === "unsatisfiable")
    return { status: 416, headers: { ...all, "Content-Range": `bytes */${size}` } };
  if (wanted === null) return { status: 200, headers: all, body: body(0, size) };
  const contentRange = `bytes ${wanted.start}-${wanted.end - 1}/${size}`;
  return {
    status: 206,
    headers: { ...all, "Content-Range": contentRange },
    body: body(wanted.start, wanted.end),
  };
}
