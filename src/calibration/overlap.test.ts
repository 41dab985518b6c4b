import { describe, expect, test } from "vitest";
import { findOverlaps } from "./overlap.ts";
import { seededRandom } from "./random.ts";

const [samples, length] = [6, 100];

/** Rows of random tokens, each seed its own. */
function rows(seed: number, size = { samples, length }) {
  const random = seededRandom(seed);
  const ids = new Uint32Array(new SharedArrayBuffer(4 * size.samples * size.length));
  ids.forEach((_, i) => {
    ids[i] = Math.floor(random() * 50_000);
  });
  return { ids, ...size };
}

describe("overlaps", () => {
  test("are not found in texts that have nothing in common", () => {
    expect(findOverlaps(rows(1), rows(2))).toEqual([]);
  });

  test.each([31, 32, 40])("a passage of %d tokens is found anywhere in its rows", (tokens) => {
    const [calibration, evaluation] = [rows(1), rows(2)];
    const passage = calibration.ids.slice(4 * length + 57, 4 * length + 57 + tokens);
    evaluation.ids.set(passage, 2 * length + 3);
    expect(findOverlaps(calibration, evaluation)).toEqual(
      tokens < 32 ? [] : [{ evaluationRow: 2, calibrationRow: 4 }],
    );
  });

  test("at the very ends of both texts, in more than one row", () => {
    const [calibration, evaluation] = [rows(1), rows(2)];
    evaluation.ids.set(calibration.ids.slice(0, 32), samples * length - 32);
    evaluation.ids.set(calibration.ids.slice(samples * length - 32), 0);
    expect(findOverlaps(calibration, evaluation)).toEqual([
      { evaluationRow: 0, calibrationRow: samples - 1 },
      { evaluationRow: samples - 1, calibrationRow: 0 },
    ]);
  });

  test("a passage cut by the end of a row does not count", () => {
    const [calibration, evaluation] = [rows(1), rows(2)];
    evaluation.ids.set(calibration.ids.slice(length - 20, length + 20), 10);
    expect(findOverlaps(calibration, evaluation)).toEqual([]);
  });

  test("of rows shorter than a passage are of the whole shorter row", () => {
    const [calibration, evaluation] = [rows(1, { samples: 3, length: 16 }), rows(2)];
    evaluation.ids.set(calibration.ids.slice(16, 32), 5 * length + 70);
    expect(findOverlaps(calibration, evaluation)).toEqual([
      { evaluationRow: 5, calibrationRow: 1 },
    ]);
  });

  test("dashes and indents are no passage", () => {
    const [calibration, evaluation] = [rows(1), rows(2)];
    for (const { ids } of [calibration, evaluation]) for (let i = 0; i < 60; i++) ids[i] = i % 3;
    expect(findOverlaps(calibration, evaluation)).toEqual([]);
  });
});
