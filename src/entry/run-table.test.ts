import { expect, test } from "vitest";
import { evaluatedReceipt, nemotronReceipt } from "../../test/support/receipts.ts";
import { nats, share } from "../card/measured-figures.ts";
import { verdictOf } from "../card/verdict.ts";
import { plainPaint } from "../ground/color.ts";
import { formatEvaluation } from "./evaluation-table.ts";
import { type EndedTier, formatRun } from "./run-table.ts";

const good = evaluatedReceipt("oQ8e");
const { evaluation } = good;
const failed = evaluatedReceipt("oQ4e", {
  evaluation: {
    ...evaluation!,
    gates: [
      { gate: "max-kl", limit: 0.0001, value: 0.01, passed: false },
      { gate: "min-same-top", limit: 0.99, value: 0.9, passed: false },
    ],
  },
});
const plain = nemotronReceipt("oQ6e");
const ended = (receipt: typeof good, outcome: EndedTier["outcome"]) => ({
  ...{ plan: receipt.plan, receipt, outcome },
});
const tiers: readonly EndedTier[] = [
  ended(good, "published"),
  ended(plain, "unchanged"),
  { plan: evaluatedReceipt("oQ5e").plan, receipt: null, outcome: "unfinished" },
  ended(failed, "failed"),
  ended(good, "kept"),
  ended(good, "dry-run"),
  ended(good, "staged"),
];

test("the end of a run has size, quality and result of every tier, within 80 columns", () => {
  const lines = formatRun(tiers, 80, plainPaint).split("\n");
  expect(lines[0]).toMatch(/^tier +GB +bpw +mean KL +same top +verdict +result$/);
  const cells = (line = "") => line.trim().split(/ {2,}/);
  const quality = [
    ...[nats(evaluation!.meanKl), share(evaluation!.sameTop), verdictOf(evaluation!)],
  ];
  expect(cells(lines[1]).slice(3)).toEqual([...quality, "published"]);
  expect(cells(lines[1])[2]).toBe(good.plan.bpw.toFixed(2));
  expect(cells(lines[2]).slice(3)).toEqual(["–", "–", "–", "unchanged, not evaluated"]);
  expect(cells(lines[3]).slice(3)).toEqual(["–", "–", "–", "not finished"]);
  expect(lines.slice(4, 7).join(" ").replace(/\s+/g, " ")).toContain(
    "held back FAILED max-kl 0.0001, min-same-top 0.99",
  );
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  const all = lines.join(" ").replace(/\s+/g, " ");
  for (const words of ["the published one is better", "not published (dry run)", "finished, on"])
    expect(all).toContain(words);
});

test("a tier that failed its gates is red", () => {
  const paint = (style: string, text: string) => `<${style}>${text}</${style}>`;
  const lines = formatRun(tiers, Number.POSITIVE_INFINITY, paint).split("\n");
  expect(lines.filter((line) => line.startsWith("<red>oQ4e "))).toHaveLength(1);
  expect(lines.filter((line) => line.includes("<"))).toHaveLength(1);
});

test("an evaluation leaves out columns that a narrow terminal has no room for", () => {
  const heads = (width: number) =>
    formatEvaluation(evaluation!, width)
      .split("\n")
      .find((line) => line.includes("mean KL"))!;
  expect(heads(Number.POSITIVE_INFINITY)).toMatch(/perplexity.*router agreement.*exact routes/);
  expect(heads(80)).toMatch(/mean KL +same top +ratio to base +router agreement/);
  expect(heads(80).length).toBeLessThanOrEqual(80);
});
