import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { kindWords } from "../../src/card/tuning-words.ts";
import { isMxfp4 } from "../../src/kernel/width.ts";
import { tensorKinds } from "../../src/quantize/tuning-record.ts";
import type { Receipt } from "../../src/receipt/receipt.ts";
import { parseReceipt } from "../../src/receipt/receipt-file.ts";

/**
 * Checks receipt and card of a tier tuned on the given numbers of bundled rows. Returns the
 * receipt.
 */
export async function expectTuned(
  folder: string,
  rows: { samples: number; length: number; evaluation: number },
): Promise<Receipt> {
  const receipt = parseReceipt(await readFile(`${folder}/oqe-receipt.json`, "utf8"), folder);
  const { samples, length, evaluation: measured } = rows;
  const { options, calibration, evaluationRows, tuning, evaluation, plan } = receipt;
  expect(options).toMatchObject({ method: "tuned", propagation: "reference", rounding: "stored" });
  const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
  expect(calibration).toMatchObject({
    source: "bundled",
    sha256: hash,
    samples,
    length,
    tokens: samples * length,
  });
  expect(evaluationRows).toMatchObject({
    source: "bundled",
    sha256: hash,
    samples: measured,
    length: 256,
  });
  expect(evaluation).toMatchObject({
    positions: 256 * measured,
    rows: { sha256: evaluationRows!.sha256 },
  });
  expect(evaluation!.meanKl).toBeGreaterThan(0);
  expect(evaluation!.gates.filter(({ passed }) => !passed)).toEqual([]);
  // Codes of the base are not tuned.
  const tuned = Object.keys(plan.modules).filter((path) => !isMxfp4(plan.modules[path]!));
  expect(Object.keys(tuning!.modules).sort()).toEqual(tuned.sort());
  const kinds = tensorKinds.flatMap((kind) =>
    tuning!.kinds[kind] ? [{ kind, ...tuning!.kinds[kind] }] : [],
  );
  expect(kinds.filter(({ ratio }) => !(ratio > 0 && ratio < 1))).toEqual([]);

  const card = await readFile(`${folder}/README.md`, "utf8");
  const section = card.split("<summary>").find((part) => part.startsWith("Tuning<"))!;
  const words = kindWords(receipt);
  for (const { kind, tensors } of kinds)
    expect(section.replaceAll("| 1.00", "| 0.")).toContain(`\n| ${words[kind]} | ${tensors} | 0.`);
  expect(card).toContain(calibration!.sha256);
  expect(card).toMatch(/^> \*\*Hessian-tuned\.\*\*/m);
  return receipt;
}
