import { describe, expect, test } from "vitest";
import { cells, plainRow, row, section } from "../../test/support/markdown-tables.ts";
import { measuredSeries } from "../../test/support/measured-receipts.ts";
import { renderCard } from "./render.ts";

const receipt = measuredSeries.at(-1)!;
const evaluation = receipt.evaluation!;
const card = await renderCard(receipt);
const { stock } = evaluation;
/** On the card of a tier that was evaluated, these would be untrue. */
const outdated =
  /not been measured|fixed rules|does not measure the quality|without data|not the sensitivity of this model/;

describe("the card of a measured and evaluated tier", () => {
  test("shows at a glance which tier fits which Mac, and how good it is", () => {
    const choice = section(card, "Choose a tier");
    expect(cells(choice.split("\n").find((line) => line.startsWith("| Tier"))!)).toEqual([
      ...["Tier", "Mac, from", "Against the base"],
    ]);
    const address = "https://huggingface.co/acme/NVIDIA-Nemotron-3-Nano-30B-A3B";
    expect(plainRow(choice, "**")).toEqual([
      `**[oQ4e](${address}-oQ4e)**`,
      ...["18.56 GB", "32 GB", "256k context", "close", "KL 0.0144", "same top 91.36 %"],
    ]);
    expect(plainRow(choice, "[oQ8e")).toEqual([
      `[oQ8e](${address}-oQ8e)`,
      ...["33.56 GB", "48 GB", "256k context", "near-lossless"],
      ...["KL 0.000600", "same top 99.64 %"],
    ]);
    expect(plainRow(choice, "stock 4-bit").slice(1)).toEqual([
      ...["17.77 GB", "32 GB", "256k context", "some loss", "KL 0.0512", "same top 91.23 %"],
    ]);
    expect(choice).toContain("*close* up to 0.05 and from 90 %");
    expect(choice).toContain("every second row, 16,384 positions");
  });

  test("has all columns of the published matrix, with the budget beside target and actual", () => {
    const matrix = section(card, "Performance matrix");
    expect(cells(matrix.split("\n").find((line) => line.startsWith("| Tier"))!)).toEqual([
      ...["Tier", "Target bpw", "Budget", "Actual bpw", "Size, GB", "Base", "Boosts", "Plan"],
    ]);
    const { plan, series } = receipt;
    expect(plan.bpw).toBeLessThanOrEqual(plan.budgetBpw!);
    expect(row(matrix, "**oQ4e**").slice(1, 4)).toEqual(["4.60", "4.70", "4.70"]);
    expect(series.map(({ budgetBpw }) => budgetBpw!.toFixed(2))).toEqual([
      ...["8.50", "6.57", "5.64", "4.70"],
    ]);
  });

  test("shows the four pictures, each with a description", () => {
    expect(card).toMatch(
      /^<picture>.*<img src="oqe-kl\.png" alt="Mean KL .*: oQ8e 0\.000600 .*, oQ4e 0\.0144 \(plain rounding 0\.0288\), mlx_lm\.convert -q 0\.0512" width="440"><\/picture>$/m,
    );
    const dark = `https://huggingface.co/${receipt.repository}/resolve/main/oqe-kl-dark.png`;
    expect(card).toContain(`<source media="(prefers-color-scheme: dark)" srcset="${dark}">`);
    expect(card).toMatch(/<img src="oqe-bits\.png" alt=".+"/);
    expect(card).toMatch(/<img src="oqe-experts\.png" alt="Maps of 23 layers .+"/);
    expect(card).toMatch(/<img src="oqe-languages\.png" alt="Perplexity .* German 1\.013, .*"/);
  });

  test.each([
    ["Mean KL", "0.0144 ± 0.0005", "0.0288 ± 0.0010", "0.0512 ± 0.0017"],
    ["Perplexity ratio", "1.0144 ± 0.0007", "1.0288 ± 0.0014", "1.0522 ± 0.0031"],
    ["Router agreement", "95.68 %", "91.36 %", "90.20 %"],
    ["Tokens with the same set", "87.04 %", "74.08 %", "71.00 %"],
  ])("gives as evidence %s: %s, rounded %s, stock %s", (label, ...figures) => {
    expect(plainRow(section(card, "Evidence"), label).slice(1)).toEqual(figures.slice(0, 1));
    expect(plainRow(section(card, "Beside plain rounding"), label).slice(1)).toEqual(figures);
  });

  test.each([
    ["KL, 99 % are below", "0.173"],
    ["KL, maximum", "1.44"],
  ])("gives as evidence %s: %s, of the tier alone", (label, figure) => {
    expect(plainRow(section(card, "Evidence"), label).slice(1)).toEqual([figure]);
    expect(section(card, "Beside plain rounding")).not.toContain(label);
  });

  test("says next to the evidence what plain rounding and the stock quant lose", () => {
    expect(section(card, "Evidence")).toContain(
      "in mean KL plain rounding to the same bytes has 0.0288 ± 0.0010 and `mlx_lm.convert -q` has " +
        "0.0512 ± 0.0017.",
    );
  });

  test("tells positions with a next token from all of them", () => {
    expect(section(card, "Evidence")).toContain(
      "128 rows of 256 tokens of held-out text: 32,768 positions, 32,640 of them with a next token",
    );
  });

  test("says which figures are of fewer rows, and leaves out what other rows cannot say", async () => {
    const line = "Rounded and stock 4-bit ran over every second row, 16,384 positions.";
    expect(section(card, "Beside plain rounding")).toContain(line);
    expect(row(section(card, "Beside plain rounding"), "Perplexity (base")).toEqual([]);
    const { positions, rounded } = evaluation;
    const whole = {
      ...evaluation,
      forcedPositions: positions,
      rounded: { ...rounded!, positions },
      stock: { ...stock!, positions },
    };
    const other = await renderCard({ ...receipt, evaluation: whole });
    expect(other).not.toContain("every second row");
    const fewer = { ...evaluation, rounded: { ...rounded!, positions: positions / 4 } };
    const quarter = await renderCard({ ...receipt, evaluation: fewer });
    expect(quarter).toContain("ran over every fourth row, 8,192 positions.");
    expect(row(section(other, "Beside plain rounding"), "Perplexity (base").at(-1)).toMatch(
      /^\d+\.\d{3}$/,
    );
  });

  test("states which part of the loss comes from flips", () => {
    const text = section(card, "Evidence by domain");
    expect(text).toContain(
      "the mean KL is 0.00806 ± 0.00014 on every second row, 16,384 positions, 56.0 % of the whole. " +
        "This part comes from arithmetic errors.",
    );
    expect(text).toContain("The other 44.0 %, 0.00634 nats, comes from flips");
    expect(row(text, "45").slice(1)).toEqual(["93.52 %", "80.56 %"]);
  });

  test("has a row for every domain, languages first, and one for all", () => {
    const text = section(card, "Evidence by domain");
    const names = text
      .split("\n")
      .filter((line) => /^\| [^|]+ \| [\d,]+ \|/.test(line))
      .map((line) => cells(line)[0]);
    expect(names).toEqual([
      ...["English", "French", "German", "Italian", "Japanese", "Spanish"],
      ...["code", "mathematics", "reasoning", "**all**"],
    ]);
  });

  test("compares the predicted with the measured KL", () => {
    expect(row(section(card, "Evidence by domain"), "Mean KL, forced routes").slice(1)).toEqual([
      "0.00864",
      "0.00806",
      "1.07",
    ]);
    expect(row(section(card, "Evidence by domain"), "Mean KL, free routes").slice(1)).toEqual([
      "0.0158",
      "0.0144",
      "1.10",
    ]);
  });

  test("names the critical experts of each domain, and says that an expert has no own width", () => {
    const worst = receipt.sensitivity!.critical.find(({ domain }) => domain === "ja")!;
    const [, experts = ""] = row(section(card, "Experts"), "Japanese");
    expect(experts).toMatch(
      new RegExp(
        `^layer ${worst.layer}, expert ${worst.expert} \\(\\d+\\.\\d % of choices, damage \\d\\.\\d+ %\\); layer `,
      ),
    );
    expect(card).toContain(
      "**All experts of a layer have the same width**, because stock MLX stores them as one stack.",
    );
  });

  test("lists the plan's floors, its prediction and the most sensitive modules", async () => {
    expect(card).toContain(
      "- Minimum bits, regardless of the costs: attention 6, the whole first Mamba block 8.",
    );
    const costs = { attention: 0.2312, "first-mamba": 0.0999 };
    const costly = await renderCard({ ...receipt, plan: { ...receipt.plan, floorCosts: costs } });
    expect(costly.match(/- The minimum of .*$/gm)).toEqual([
      "- The minimum of attention costs 23.1 % of the predicted KL, compared with a plan of the " +
        "same budget without it.",
    ]);
    expect(card).toMatch(/- The predicted mean KL is [\d.]+, [\d.]+ with forced routes\./);
    expect(section(card, "Sensitivity").match(/^\| `backbone|^\| `lm_head/gm)!.length).toBe(8);
    expect(card).toContain("1.10 as the median of 5 samples (range 1.00 to 1.20)");
  });

  test("has the command, hashes, gates and exceptions that a reader needs to check it", () => {
    expect(card).toContain(
      `\nnpx --yes 'github:acme/oqe-publisher#v0.1.0' verify ${receipt.repository}\n`,
    );
    expect(card).toContain(receipt.sensitivity!.calibration.sha256);
    expect(row(card, "Rows for evaluation")[1]).toBe(`\`${evaluation.rows.sha256}\``);
    expect(row(card, "mean KL, at most").slice(1)).toEqual(["0.300", "0.0144", "passed"]);
    expect(row(card, "router agreement, at least").slice(1)).toEqual([
      "85.00 %",
      "95.68 %",
      "passed",
    ]);
    expect(card).toContain("- No matrix used a fallback.");
    expect(JSON.parse(/<!-- oqe-publisher (\{.*\}) -->\n$/.exec(card)![1]!)).toMatchObject({
      meanKl: 0.0144,
      forcedMeanKl: 0.008064,
    });
  });

  test("holds no sentence of a card that measured nothing, no time and no host", () => {
    expect(card).not.toMatch(outdated);
    expect(card).not.toMatch(/\b20\d\d-\d\d|seconds|minutes|peak memory/i);
  });
});
