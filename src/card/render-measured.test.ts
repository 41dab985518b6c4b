import { describe, expect, test } from "vitest";
import { expectWholeTables, plainRow, row, section } from "../../test/support/markdown-tables.ts";
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
const { stock } = evaluation;
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
    const choice = section(text, "Choose a tier");
    expect(plainRow(choice, "oQ8e").slice(4)).toEqual([
      "not measured",
      expect.stringMatching(/^KL ~[\d.]+$/),
    ]);
    expect(choice).toContain("With ~: predicted by the plan, not measured.");
    expect(row(choice, "**[oQ4e")).toEqual(row(section(card, "Choose a tier"), "**[oQ4e"));
  });

  test("a plan by fixed rules predicts nothing", async () => {
    const text = await renderCard(
      evaluatedReceipt("oQ4e", { evaluation: { ...evaluation, predicted: null } }),
    );
    expect(text).toContain("The plan follows fixed rules");
    expect(text).not.toMatch(/Predicted|What a bit is worth|predicted/);
    expect(text).toContain("## Evidence");
    expectWholeTables(text);
  });

  test("a measured plan that was never evaluated claims no evidence", async () => {
    const text = await renderCard({ ...receipt, evaluation: null, otherTiers: [] });
    expect(text).toContain("have not been measured for this build");
    expect(text).not.toMatch(/## Evidence| verify |oqe-kl|oqe-languages/);
    expect(text).toContain("oqe-experts.png");
    expectWholeTables(text);
  });

  test("neither measured nor evaluated: bits alone are shown", async () => {
    for (const one of [nemotronReceipt(), tunedReceipt()]) {
      expect((await renderCard(one)).match(/src="oqe-[a-z]+\.png/g)).toEqual(['src="oqe-bits.png']);
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
        stock: { ...stock!, ...noRouters },
        gates: evaluation.gates.slice(0, 2),
      },
      otherTiers: [],
    };
    const text = await renderCard(parseReceipt(writeReceipt(dense), "x"));
    expect(text).not.toMatch(/expert|router|routes|flip|MoE/i);
    expect(row(section(text, "Evidence by domain"), "Mean KL").slice(1)).toEqual([
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
    expect(text).toContain(
      "- **Sensitivity proxy**: `acme/Nano-oQ8e@abc`, measured instead of the base.",
    );
    expect(text).toContain("a proxy: the quantized `acme/Nano-oQ8e@abc`, read instead of the base");
    expect(text).toContain("weighted code 3.00, German 1.00,");
    expect(text).toContain(
      "- Fallback, 1 module (`lm_head`): Hessian damped by 10 % instead of 1 %.",
    );
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
