import { describe, expect, test } from "vitest";
import { expectWholeTables, plainRow } from "../../test/support/markdown-tables.ts";
import { measuredSeries } from "../../test/support/measured-receipts.ts";
import { oddReceipts } from "../../test/support/odd-receipts.ts";
import { renderCard } from "./render.ts";

const cardOf = (name: string) => renderCard(oddReceipts[name]!);
const hub = "https://huggingface.co/acme/NVIDIA-Nemotron-3-Nano-30B-A3B";

test.each(Object.keys(oddReceipts))("the card of %s is whole", async (name) => {
  const card = await cardOf(name);
  expectWholeTables(card);
  expect(card.replace(/\n<!-- oqe-publisher .*/, "")).not.toMatch(
    /undefined|\bnull\b|NaN|Infinity|\[object|\{\{|\{%|\n{3}|\]\(\)/,
  );
  expect(card.match(/<details>/g)).toHaveLength(card.match(/<\/details>/g)!.length);
  // What is folded is read as Markdown only after an empty line.
  expect(card).not.toMatch(/[^\n]\n<details>|<\/summary>\n[^\n]|[^\n]\n<\/details>/);
});

describe("the choice of a tier", () => {
  test("of a receipt without proof has sizes alone, and links no tier but its own", async () => {
    const card = await cardOf("a receipt without proof");
    expect(plainRow(card, "oQ8e")).toEqual(["oQ8e", "33.56 GB", "48 GB", "256k context"]);
    expect(plainRow(card, "**")[0]).toBe(`**[oQ4e](${hub}-oQ4e)**`);
    expect(card).not.toMatch(/Against the base|Mean KL|stock 4-bit|Evidence/);
  });

  test("says which tier to take on which Mac, and how to talk to this one", async () => {
    const card = (await renderCard(measuredSeries.at(-1)!)).replaceAll("\u00a0", " ");
    expect(card).toContain(
      "\nTake the largest that fits: **oQ4e** on a Mac from 32 GB, **oQ6e** from 36 GB, " +
        "**oQ8e** from 48 GB.\n\n**Run it**: `pip install mlx-lm`, then " +
        "`mlx_lm.chat --model acme/NVIDIA-Nemotron-3-Nano-30B-A3B-oQ4e`; for another tier, change " +
        "the end of the name. [More ways to run it](#use).\n\n|",
    );
    const other = (await cardOf("another tier that failed its gate")).replaceAll("\u00a0", " ");
    expect(other).toMatch(/Take the largest that fits: [^\n]*\*\*oQ6e\*\* from 36 GB\.\n/);
    expect(other).not.toMatch(/Take the largest that fits: [^\n]*oQ8e/);
  });

  test.each(["one tier", "a receipt without proof"])(
    "of %s, which knows no other published tier, picks and offers none",
    async (name) => {
      const card = (await cardOf(name)).replaceAll("\u00a0", " ");
      expect(card).toContain(`\nTake **oQ4e** on a Mac from 32 GB.\n\n**Run it**: `);
      expect(card).not.toContain("for another tier");
    },
  );

  test("of a custom tier picks it, and of the series what is known to be published", async () => {
    const card = (await cardOf("a custom tier beside the series")).replaceAll("\u00a0", " ");
    const [pick = ""] = /^Take .*$/m.exec(card) ?? [];
    expect(pick).toContain("**oQ4.25e** on a Mac from");
    expect(pick).toContain("**oQ8e** from 48 GB");
    expect(pick).not.toContain("**oQ4e**");
  });

  test("a tier that failed its gate sends nobody to a repository that is not there", async () => {
    const card = (await cardOf("a tier that failed its gate")).replaceAll("\u00a0", " ");
    const name = "NVIDIA-Nemotron-3-Nano-30B-A3B-oQ4e";
    expect(card.replace(/\n<!-- oqe-publisher .*/, "")).not.toContain(`acme/${name}`);
    expect(card).not.toMatch(/\*\*Run it\*\*|LM Studio|ChatSession|for another tier/);
    expect(card).toContain("This tier failed a quality gate and is not published: it is only a ");
    expect(card).toContain(`\nmlx_lm.chat --model ${name}`);
    expect(card).toContain(` verify ./${name}\n`);
    expect(card).toContain('srcset="oqe-kl-dark.png"');
    expect(card).toMatch(/^Take the largest that fits: \*\*oQ[56]e\*\* on a Mac from/m);
    const alone = { ...oddReceipts["a tier that failed its gate"]!, otherTiers: [] };
    expect(await renderCard(alone)).not.toMatch(/^Take /m);
  });

  test("names a tier that failed its gate as held back, without a link", async () => {
    const card = await cardOf("a tier that failed its gate");
    expect(plainRow(card, "**")).toEqual([
      ...["**oQ4e**", "18.56 GB", "32 GB", "256k context", "held back"],
      ...["KL 0.0144", "same top 91.36 %"],
    ]);
    expect(card).toContain("*Held back*: it failed a quality gate and is not published.");
    expect(card).toContain("This tier failed a gate, so it was not published:");
    const other = await cardOf("another tier that failed its gate");
    expect(plainRow(other, "oQ8e")).toEqual([
      ...["oQ8e", "33.56 GB", "48 GB", "256k context", "held back"],
      ...["KL 0.000600", "same top 99.64 %"],
    ]);
    expect(other).not.toContain(`${hub}-oQ8e`);
    expect(plainRow(other, "[oQ6e")[0]).toBe(`[oQ6e](${hub}-oQ6e)`);
  });

  test("has a custom tier at its place by size", async () => {
    const card = await cardOf("a custom tier beside the series");
    const [, table = ""] = card.split("## Choose a tier");
    const lines = table.split("\n").filter((line) => /^\| (\*\*)?\[?oQ/.test(line));
    const tiers = lines.slice(0, 5).map((line) => /oQ[\d.]+e/.exec(line)![0]);
    expect(tiers).toEqual(["oQ8e", "oQ6e", "oQ5e", "oQ4e", "oQ4.25e"]);
    expect(card).toContain(`**[oQ4.25e](${hub}-oQ4.25e)**`);
  });

  test("of one tier alone has that tier and the stock quant", async () => {
    const [, table = ""] = (await cardOf("one tier")).split("## Choose a tier");
    const [first = ""] = /^\|(?:.+\n)+/m.exec(table) ?? [];
    const rows = first.trimEnd().split("\n").slice(2);
    expect(rows.map((line) => line.slice(0, 8))).toEqual(["| **[oQ4", "| stock "]);
  });

  test("of a receipt of an earlier version leaves out what it does not have", async () => {
    const card = await cardOf("a receipt of an earlier version");
    expect(card).not.toMatch(/stock 4-bit|Stock 4-bit|npx|Sampling|Prompt format/);
    expect(plainRow(card, "**[oQ4e").slice(2, 4)).toEqual(["32 GB", "close"]);
    expect(card).toContain("`oqe` is the command of oqe-publisher 0.1.0.");
  });
});

test("names from right to left cannot turn the text around", async () => {
  const card = await cardOf("a right-to-left name");
  expect(card).toMatch(/^# نموذج — oQe series, oQ4e$/m);
  expect(card).not.toMatch(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/);
});

test("a model without experts says nothing about them", async () => {
  const card = await cardOf("zero experts");
  expect(card).not.toMatch(/MoE strategy|Router agreement|Tokens per expert/);
  expect(card).toContain("| Active per token | all of them: the model is dense |");
});
