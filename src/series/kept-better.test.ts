import { expect, test } from "vitest";
import { evaluatedReceipt, nemotronReceipt } from "../../test/support/receipts.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { writeReceipt } from "../receipt/receipt-file.ts";
import { compareWithPublished, keptFailure } from "./kept-better.ts";

const published = evaluatedReceipt();
const evaluation = published.evaluation!;
const withKl = (meanKl: number, meanKlError: number | null = evaluation.meanKlError): Receipt => {
  return { ...published, evaluation: { ...evaluation, meanKl, meanKlError, gates: [] } };
};
const compare = (fresh: Receipt, before = published) =>
  compareWithPublished(fresh, writeReceipt(before));

test("a worse tier is told with both tiers side by side", () => {
  const { meanKl, meanKlError } = evaluation;
  const worse = compare(withKl(meanKl + 3 * meanKlError!))!;
  expect(worse).toMatchObject({ tier: "oQ4e", isWorse: true });
  expect(worse.words).toMatch(
    /^oQ4e: mean KL is 0\.\d+ ± 0\.\d+, worse than the published 0\.\d+ ±/,
  );
  expect(worse.table).toMatch(
    /^\| {2}\| Published \| New \|\n\| --- \| ---: \| ---: \|\n\| Mean KL \| 0\.0144/,
  );
  expect(worse.table).toContain("| Base commit | `0123456789ab` | `0123456789ab` |");
  const failure = keptFailure([worse, compare(withKl(meanKl))!])!;
  expect(failure).toMatchObject({ code: "GATE", message: worse.words });
});

test("a tier within the error is not worse, also of another commit of the base", () => {
  const { meanKl, meanKlError } = evaluation;
  const fresh = withKl(meanKl + 2.5 * meanKlError!); // √2 · 2 = 2.83 errors
  const moved = { ...fresh, base: { ...fresh.base, revision: "f".repeat(40) } };
  const compared = compare(moved)!;
  expect(compared).toMatchObject({ isWorse: false, words: expect.stringContaining("not worse") });
  expect(compared.table).toContain("| Base commit | `0123456789ab` | `ffffffffffff` |");
  expect(keptFailure([compared])).toBeNull();
});

test.each([
  ["other rows", withRows({ sha256: "b".repeat(64) }), published, /different rows/],
  ["no evaluation now", nemotronReceipt(), published, /no evaluation/],
  ["no evaluation then", withKl(1), nemotronReceipt(), /no evaluation/],
  ["one row", withKl(1, null), published, /no error/],
  ["a smaller target", withTarget(withKl(1), 4.2), published, /its target is 4\.2 bpw, not 4\.\d/],
])("tiers are not comparable, and say why: %s", (_, fresh, before, why) => {
  const compared = compare(fresh, before)!;
  expect(compared).toMatchObject({ isWorse: false, words: expect.stringMatching(why) });
  expect(compared.table).toContain("| Bytes |");
});

test("nothing is compared without a published tier, or with one that cannot be read", () => {
  expect(compareWithPublished(withKl(1), null)).toBeNull();
  const unreadable = compareWithPublished(withKl(1), "{")!;
  expect(unreadable).toMatchObject({ isWorse: false, table: "" });
});

function withRows(rows: { sha256: string }): Receipt {
  const own = withKl(1);
  return {
    ...own,
    evaluationRows: { ...own.evaluationRows!, ...rows },
    evaluation: { ...own.evaluation!, rows: { ...own.evaluation!.rows, ...rows } },
  };
}

function withTarget(receipt: Receipt, targetBpw: number): Receipt {
  return { ...receipt, plan: { ...receipt.plan, targetBpw } };
}
