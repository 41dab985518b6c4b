import { describe, expect, test } from "vitest";
import { cells, expectWholeTables, row } from "../../test/support/markdown-tables.ts";
import { measuredSeries, smallSeries } from "../../test/support/measured-receipts.ts";
import { evaluatedReceipt, nemotronReceipt, tunedReceipt } from "../../test/support/receipts.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { parseReceipt, writeReceipt } from "../receipt/receipt-file.ts";
import { blankEvaluation, blankTuning } from "../receipt/recipe.ts";
import { shareFigures } from "../receipt/series-figures.ts";
import { renderCard } from "./render.ts";

const receipt = measuredSeries.at(-1)!;
const evaluation = receipt.evaluation!;
const card = await renderCard(receipt);
const section = (text: string, title: string) =>
  text.split(/^#{2,3} /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
/** On the card of a tier that was evaluated, these would be untrue. */
const outdated =
  /not been measured|fixed rules|does not measure the quality|without data|not the sensitivity of this model/;

describe("the card of a measured and evaluated tier", () => {
  test("gives the whole series in the matrix, figures beside bytes and plan", () => {
    const matrix = section(card, "Performance matrix");
    expect(cells(matrix.split("\n").find((line) => line.startsWith("| Tier"))!)).toEqual([
      ...["Tier", "Target bpw", "Actual bpw (plan)", "Actual bpw (file)", "Bytes", "GB", "GiB"],
      ...["Mean KL", "Same top token", "Perplexity ratio", "Router agreement", "Boosts", "Plan"],
    ]);
    expect(row(matrix, "**oQ4e**").slice(7, 11)).toEqual([
      "0.0144 ± 0.0005",
      "91.36 %",
      "1.0144 ± 0.0007",
      "95.68 %",
    ]);
    expect(row(matrix, "oQ8e").slice(7, 11)).toEqual([
      "0.000600 ± 0.000020",
      "99.64 %",
      "1.0006 ± 0.0000",
      "99.82 %",
    ]);
  });

  test("shows the four pictures, each with a description", () => {
    expect(card).toMatch(
      /^!\[Mean KL divergence .*: oQ8e 0\.0006 .*, oQ4e 0\.0144 \(plain rounding 0\.0288\)\]\(oqe-kl\.svg\)$/m,
    );
    expect(card).toMatch(/^!\[.+\]\(oqe-bits\.svg\)$/m);
    expect(card).toMatch(/^!\[Maps of 23 layers .+\]\(oqe-experts\.svg\)$/m);
    expect(card).toMatch(/^!\[Perplexity .* German 1\.013, .*\]\(oqe-languages\.svg\)$/m);
  });

  test.each([
    ["Mean KL", "0.0144 ± 0.0005", "0.0288 ± 0.0010"],
    ["KL: median", "0.00720, 0.173, 0.576, 1.44", "–"],
    ["Perplexity ratio", "1.0144 ± 0.0007", "1.0288 ± 0.0014"],
    ["Router agreement", "95.68 %", "91.36 %"],
    ["Tokens with the same set", "87.04 %", "74.08 %"],
  ])("gives as evidence %s: %s, and plain rounding's: %s", (label, own, rounded) => {
    expect(row(section(card, "Evidence"), label).slice(1)).toEqual([own, rounded]);
  });

  test("says which figures are of fewer rows, and leaves out what other rows cannot say", async () => {
    const line = "Plain rounding ran over every second row, 16,384 positions.";
    expect(section(card, "Evidence")).toContain(`\n\n${line}\n`);
    expect(row(section(card, "Evidence"), "Perplexity (base").at(-1)).toBe("–");
    const { positions, rounded } = evaluation;
    const whole = {
      ...evaluation,
      forcedPositions: positions,
      rounded: { ...rounded!, positions },
    };
    const other = await renderCard({ ...receipt, evaluation: whole });
    expect(other).not.toContain("every second row");
    const fewer = { ...evaluation, rounded: { ...rounded!, positions: positions / 4 } };
    const quarter = await renderCard({ ...receipt, evaluation: fewer });
    expect(quarter).toContain("Plain rounding ran over every fourth row, 8,192 positions.");
    expect(row(section(other, "Evidence"), "Perplexity (base").at(-1)).toMatch(/^\d+\.\d{3}$/);
  });

  test("states which part of the loss comes from flips", () => {
    const text = section(card, "Arithmetic errors and routing flips");
    expect(text).toContain(
      "the mean KL is 0.00806 ± 0.00014 on every second row, 16,384 positions, 56.0 % of the whole. " +
        "This part comes from arithmetic errors.",
    );
    expect(text).toContain("The other 44.0 %, 0.00634 nats, comes from flips");
    expect(row(text, "45").slice(1)).toEqual(["93.52 %", "80.56 %"]);
  });

  test("has a row for every domain, languages first, and one for all", () => {
    const text = section(card, "By language and domain");
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
    expect(row(section(card, "Predicted and measured"), "Mean KL, forced routes").slice(1)).toEqual(
      ["0.00864", "0.00806", "1.07"],
    );
    expect(row(section(card, "Predicted and measured"), "Mean KL, free routes").slice(1)).toEqual([
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
    expect(card).toContain("1.10 as the median of 5 samples (1.00 to 1.20)");
  });

  test("has the command, hashes, gates and exceptions that a reader needs to check it", () => {
    expect(card).toContain(
      `\noqe verify ${receipt.repository} --base ${receipt.base.id}@${receipt.base.revision}\n`,
    );
    expect(card).toContain(receipt.sensitivity!.calibration.sha256);
    expect(row(card, "Evaluation rows (SHA-256")[1]).toBe(`\`${evaluation.rows.sha256}\``);
    expect(row(card, "mean KL, at most").slice(1)).toEqual(["0.300", "0.0144", "passed"]);
    expect(row(card, "router agreement, at least").slice(1)).toEqual([
      "85.00 %",
      "95.68 %",
      "passed",
    ]);
    expect(card).toContain(
      "- Expert matrices with fewer tokens than columns: 62.3 %; experts without a token: 3.",
    );
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

test.each([...measuredSeries, ...smallSeries].map((one) => [one.name, one] as const))(
  "%s reads back from its receipt, its card has whole tables and no hole",
  async (_, one) => {
    expect(parseReceipt(writeReceipt(one), "x")).toEqual(one);
    const text = await renderCard(one);
    expectWholeTables(text);
    expect(text).not.toMatch(/undefined|\bnull\b|NaN|Infinity|\[object|\{\{|\{%|\n{3}/);
    expect(await renderCard(parseReceipt(writeReceipt(one), "x"))).toBe(text);
  },
);

describe("the card follows the measurements", () => {
  test("a run of one tier has only predictions for the others", async () => {
    const [alone] = shareFigures([receipt]);
    const text = await renderCard(alone!);
    const matrix = section(text, "Performance matrix");
    expect(row(matrix, "oQ8e")[7]).toMatch(/^[\d.]+ \(predicted\)$/);
    expect(row(matrix, "oQ8e").slice(8, 11)).toEqual(["–", "–", "–"]);
    expect(row(matrix, "**oQ4e**")).toEqual(row(section(card, "Performance matrix"), "**oQ4e**"));
  });

  test("a plan by fixed rules predicts nothing", async () => {
    const text = await renderCard(
      evaluatedReceipt("oQ4e", { evaluation: { ...evaluation, predicted: null } }),
    );
    expect(text).toContain("The plan follows fixed rules");
    expect(text).not.toMatch(/Predicted and measured|What a bit is worth|predicted/);
    expect(text).toContain("## Evidence");
    expectWholeTables(text);
  });

  test("a measured plan that was never evaluated claims no evidence", async () => {
    const text = await renderCard({ ...receipt, evaluation: null, otherTiers: [] });
    expect(text).toContain("have not been measured for this build");
    expect(text).not.toMatch(/## Evidence|oqe verify|oqe-kl\.svg|oqe-languages\.svg/);
    expect(text).toContain("oqe-experts.svg");
    expectWholeTables(text);
  });

  test("neither measured nor evaluated: bits alone are shown", async () => {
    for (const one of [nemotronReceipt(), tunedReceipt()]) {
      expect((await renderCard(one)).match(/\]\(oqe-[a-z]+\.svg\)/g)).toEqual(["](oqe-bits.svg)"]);
    }
  });

  test("a dense model says nothing about routers and experts", async () => {
    const modules = { "model.layers.0.mlp.up_proj": { bits: 4, groupSize: 64 } } as const;
    const noRouters = { routerAgreement: null, exactRoutes: null };
    const dense: Receipt = {
      ...receipt,
      options: { ...receipt.options, repair: [] },
      model: {
        ...receipt.model,
        modelType: "llama",
        experts: null,
        layers: [{ mixer: "attention", mlp: "dense", count: 1 }],
      },
      plan: { ...receipt.plan, modules },
      unquantized: {},
      tuning: {
        ...receipt.tuning!,
        experts: null,
        repair: { routers: null, routerAware: null, moved: null },
        modules: {},
        kinds: {},
      },
      sensitivity: { ...receipt.sensitivity!, experts: [], critical: [], check: [], costs: {} },
      evaluation: {
        ...evaluation,
        ...noRouters,
        forcedPositions: evaluation.positions,
        byLayer: [],
        rounded: { ...evaluation.rounded!, ...noRouters },
        gates: evaluation.gates.slice(0, 2),
      },
      otherTiers: [],
    };
    const text = await renderCard(parseReceipt(writeReceipt(dense), "x"));
    expect(text).not.toMatch(/expert|router|routes|flip/i);
    expect(row(section(text, "Predicted and measured"), "Mean KL").slice(1)).toEqual([
      "0.00864",
      "0.00806",
      "1.07",
    ]);
    expectWholeTables(text);
  });

  test("a proxy, domain weights and fallbacks are mentioned", async () => {
    const fallback = {
      ratio: 1,
      roundedRows: 0,
      rows: 8,
      fallback: "Hessian damped by 10 % instead of 1 %",
    };
    const text = await renderCard({
      ...receipt,
      sensitivity: {
        ...receipt.sensitivity!,
        proxy: "acme/Nano-oQ8e@abc",
        domainWeights: [3, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5],
      },
      tuning: { ...receipt.tuning!, modules: { lm_head: fallback } },
    });
    expect(text).toContain("a proxy: the quantized `acme/Nano-oQ8e@abc`, read instead of the base");
    expect(text).toContain("weighted code 3.00, German 1.00,");
    expect(text).toContain("- Hessian damped by 10 % instead of 1 %: 1 module (`lm_head`).");
    expect(text).not.toContain("No matrix used a fallback");
  });

  test("the draft of such a card is complete", async () => {
    const blank = {
      ...receipt,
      tuning: blankTuning(receipt),
      evaluation: blankEvaluation(receipt),
      otherTiers: [],
    };
    const text = await renderCard(blank);
    expectWholeTables(text);
    expect(text).not.toMatch(/undefined|\bnull\b|NaN|Infinity|\n{3}/);
  });
});
