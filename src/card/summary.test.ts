import { describe, expect, test } from "vitest";
import { expectWholeTables, row } from "../../test/markdown-tables.ts";
import { nemotronReceipt, tunedReceipt } from "../../test/receipts.ts";
import { renderSummary } from "./render.ts";

describe("the job summary", () => {
  const facts = {
    base: nemotronReceipt().base,
    series: nemotronReceipt().series,
    repositories: [
      {
        repository: "acme/N-oQ8e",
        outcome: "published",
        url: "http://127.0.0.1:1/acme/N-oQ8e",
        commit: "a".repeat(40),
      },
      { repository: "acme/N-oQ4e", outcome: "unchanged", url: null, commit: null },
    ],
    made: [],
    dryRun: false,
    warnings: [],
  } as const;

  test("has the matrix, and every repository with its outcome and link", async () => {
    const text = await renderSummary(facts);
    expect(row(text, "oQ8e").slice(4, 7)).toEqual(["33,559,877,504", "33.56", "31.26"]);
    expect(row(text, "[acme/N-oQ8e]")).toEqual([
      "[acme/N-oQ8e](http://127.0.0.1:1/acme/N-oQ8e)",
      "published",
      `\`${"a".repeat(40)}\``,
    ]);
    expect(row(text, "acme/N-oQ4e")[1]).toMatch(/^unchanged/);
    expect(text).not.toMatch(/Dry run|Warnings|\n{3}/);
    expectWholeTables(text);
  });

  test("says for every tuned tier what tuning brought, and repeats its warnings", async () => {
    const made = [
      nemotronReceipt("oQ8e"),
      tunedReceipt("oQ4e", { warnings: ["`lm_head`: no finite activation, rounded"] }),
    ];
    const text = await renderSummary({ ...facts, made, warnings: ["careful"] });
    const losses = text.split("\n").filter((line) => line.includes("experts (up)"));
    expect(losses).toEqual([
      "| oQ4e | embeddings 0.950, head 0.500, attention 0.500, mamba 0.500, shared experts 0.500, experts (up) 0.350, experts (down) 0.500 |",
    ]);
    expect(text).toMatch(/- careful\n- oQ4e: `lm_head`: no finite activation, rounded\n$/);
    expect(text).not.toMatch(/\n{3}/);
    expectWholeTables(text);
  });

  test("of a dry run says so, with its warnings", async () => {
    const text = await renderSummary({ ...facts, dryRun: true, repositories: [], warnings: ["careful"] });
    expect(text).toContain("**Dry run:** nothing was published.");
    expect(text).toMatch(/\*\*Warnings\*\*\n\n- careful\n$/);
    expect(text).not.toContain("Outcome");
  });

  test("of a run that failed before the plan still renders", async () => {
    const text = await renderSummary({ ...facts, series: [], repositories: [] });
    expect(text).toContain("Base revision");
    expect(text).not.toContain("|");
  });
});
