import type { Rows } from "./rows.ts";

/** Texts that have this many consecutive tokens in common share a passage. */
const passage = 32;
/** Minimum number of different tokens among them. The dashes of a table are not a passage. */
const leastDistinct = 12;

type RowIds = Pick<Rows, "ids" | "samples" | "length">;

/** An evaluation row, and the first calibration row that shares a passage with it. */
export interface Overlap {
  readonly evaluationRow: number;
  readonly calibrationRow: number;
}

/**
 * Finds evaluation rows that have 32 consecutive tokens (of a shorter row: all tokens) in common
 * with a calibration row. A model must not be evaluated on passages that it was tuned on. Rows
 * count from 0. Memory grows with the evaluation rows, time with all rows.
 */
export function findOverlaps(calibration: RowIds, evaluation: RowIds): readonly Overlap[] {
  const tokens = Math.min(passage, calibration.length, evaluation.length);
  const distinct = Math.min(leastDistinct, tokens / 2);
  const places = new Map<number, number[]>();
  for (const [at, hash] of windows(evaluation, tokens)) {
    if (countDistinct(evaluation.ids.subarray(at, at + tokens)) >= distinct)
      places.set(hash, [...(places.get(hash) ?? []), at]);
  }
  const found = new Map<number, number>();
  for (const [at, hash] of windows(calibration, tokens)) {
    for (const place of places.get(hash) ?? []) {
      const row = Math.floor(place / evaluation.length);
      const same = () =>
        evaluation.ids
          .subarray(place, place + tokens)
          .every((id, i) => id === calibration.ids[at + i]);
      if (!found.has(row) && same()) found.set(row, Math.floor(at / calibration.length));
    }
  }
  return [...found]
    .map(([evaluationRow, calibrationRow]) => ({ evaluationRow, calibrationRow }))
    .sort((a, b) => a.evaluationRow - b.evaluationRow);
}

/** Place and rolling hash of every run of tokens inside a row (Karp & Rabin 1987, modulo 2^32). */
function* windows(
  { ids, samples, length }: RowIds,
  tokens: number,
): Generator<[at: number, hash: number]> {
  const base = 0x01000193;
  let oldest = 1;
  for (let i = 1; i < tokens; i++) oldest = Math.imul(oldest, base);
  for (let row = 0; row < samples; row++) {
    let hash = 0;
    for (let i = 0; i < length; i++) {
      const at = row * length + i;
      if (i >= tokens) hash = (hash - Math.imul(ids[at - tokens]! + 1, oldest)) | 0;
      hash = (Math.imul(hash, base) + ids[at]! + 1) | 0;
      if (i >= tokens - 1) yield [at - tokens + 1, hash];
    }
  }
}

function countDistinct(ids: Uint32Array): number {
  return new Set(ids).size;
}
