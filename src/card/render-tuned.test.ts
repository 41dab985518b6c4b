import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { expectWholeTables, row } from "../../test/support/markdown-tables.ts";
import { nemotronReceipt, tunedReceipt } from "../../test/support/receipts.ts";
import type { Receipt, TuningRecord } from "../receipt/receipt.ts";
import { blankTuning } from "../receipt/recipe.ts";
import { renderCard } from "./render.ts";

const tuned = tunedReceipt();
const card = await renderCard(tuned);
const withTuning = (changes: Partial<TuningRecord>, more: Partial<Receipt> = {}) =>
  renderCard(tunedReceipt("oQ4e", { tuning: { ...tuned.tuning!, ...changes }, ...more }));

/** What no run of this version measures; KL in whatever spelling. */
const unmeasured =
  /\bKL\b|KLD|Kullback|accuracy|lossless|benchmark(?!s have not)|perplexity(?!, divergence from the base)/i;

describe("the card of a tuned tier", () => {
  test("says that it was tuned, how, and on what", () => {
    expect(card).toContain(
      "> **Hessian-tuned.** The codes of 163 of 164 quantized modules were chosen by GPTQ",
    );
    expect(card).toContain("against 128 rows of 256 tokens, with a Hessian for each routed expert");
    expect(card).toContain("4. **Tune:** 163 of 164 quantized modules were tuned by GPTQ");
    expect(card).toContain("one Hessian serves every tier");
    expect(card).toContain("the method that chose the codes.");
    expect(row(card, "Method")[1]).toBe("`tuned`: GPTQ, Hessians of 128 rows of 256 tokens");
    expect(row(card, "Propagation")[1]).toBe("`reference`");
  });

  test.each([
    ["embeddings", ["1", "0.950"]],
    ["output head", ["1", "0.500"]],
    ["attention", ["24", "0.500"]],
    ["Mamba-2", ["46", "0.500"]],
    ["routed experts, up projection", ["23", "0.350"]],
    ["routed experts, down projection", ["23", "0.500"]],
  ])("gives the calibration loss of %s against rounding", (kind, expected) => {
    const [, section = ""] = card.split("plain rounding to the same width is 1:");
    expect(row(section, kind).slice(1)).toEqual(expected);
  });

  test.each([
    ["Calibration rows", "128 rows of 256 tokens (32,768 tokens)"],
    ["Their text", "the text that comes with oqe-publisher"],
    ["Their domains", "en 60, code 40, ja 28"],
    ["Their SHA-256", `\`${tuned.calibration!.sha256}\``],
    ["Activations left out", "0"],
    ["Routed experts, all layers", "2,944"],
    ["Tokens per expert", "0 at least, 1,511.5 in the median"],
    ["Experts without a token", "3"],
    ["Expert matrices with fewer tokens", "62.3 %"],
    ["Evaluation rows, kept apart", "64 rows of 256 tokens (16,384 tokens)"],
  ])("states %s: %s", (label, value) => {
    expect(row(card, label).at(-1)).toBe(value);
  });

  test("says where rounding was kept, and which module has no input to be tuned on", () => {
    expect(card).toMatch(
      /plain rounding serves at least as well keeps it: [\d,]+ of [\d,]+ rows \(1\.0 %\) did\./,
    );
    expect(card).toContain("- `backbone.embeddings`: looked up, not multiplied.");
    expect(card).toContain(tuned.evaluationRows!.sha256);
    expect(card).toContain("the text that comes with oqe-publisher, other documents of it");
  });

  test("claims nothing of rounding alone and nothing that was not measured", () => {
    expect(card).not.toMatch(
      /Rounded, not|No calibration|not done here|rounded without it|tuning is to follow/,
    );
    expect(card).not.toMatch(unmeasured);
    expect(card).toContain("says nothing yet about text");
    expect(card).toContain("have not been measured for this build");
  });

  test("reproduces by naming method and calibration", () => {
    expect(card).toContain(
      "--tiers oQ4e --policy oq --method tuned --propagation reference --repair router,rounding --calibration-samples 128 --calibration-length 256 --evaluation-samples 64\n",
    );
    expect(JSON.parse(/<!-- oqe-publisher (\{.*\}) -->\n$/.exec(card)![1]!)).toMatchObject({
      method: "tuned",
      propagation: "reference",
      repair: ["router", "rounding"],
      calibrationSha256: tuned.calibration!.sha256,
      evaluationSha256: tuned.evaluationRows!.sha256,
    });
    expect(parse(card.split("---\n")[1]!).tags).toEqual([
      "nvidia",
      "MLX-friendly",
      "mlx",
      "oq",
      "oqe",
      "oq4e",
      "hessian-tuned",
    ]);
  });

  test("has whole tables and no hole, rehearsed or made", async () => {
    for (const tier of ["oQ8e", "oQ6e", "oQ5e", "oQ4e"]) {
      for (const tuning of [tunedReceipt(tier).tuning, blankTuning(tuned)]) {
        const text = await renderCard(tunedReceipt(tier, { tuning }));
        expectWholeTables(text);
        expect(text).not.toMatch(/undefined|\bnull\b|NaN|Infinity|\[object|\{\{|\{%|\n{3}/);
      }
    }
  });
});

describe("what tuning did decides what the card says", () => {
  test("fallbacks are listed by what was done, warnings among the limits", async () => {
    const done = {
      ratio: 1,
      roundedRows: 0,
      rows: 8,
      fallback: "Hessian damped by 10 % instead of 1 %",
    };
    const modules = {
      ...tuned.tuning!.modules,
      lm_head: done,
      "backbone.layers.5.mixer.q_proj": done,
    };
    const warnings = [`lm_head: ${done.fallback}`, "`lm_head`: odd"];
    const text = await withTuning({ modules, droppedRows: 1 }, { warnings });
    expect(text).toContain(
      "- Not as meant, 2 modules (`backbone.layers.5.mixer.q_proj`, `lm_head`): Hessian damped by 10 % instead of 1 %.",
    );
    expect(text.match(/Warning of the build.*/g)).toEqual(["Warning of the build: `lm_head`: odd"]);
    expect(row(text, "Activations left out")[1]).toBe("1");
    expectWholeTables(text);
  });

  test("experts that all saw enough are no limit", async () => {
    const text = await withTuning({
      experts: { experts: 4, min: 900, median: 1000, unseen: 0, belowWidth: 0 },
    });
    expect(text).not.toContain("lean on tokens of other experts");
    expect(row(text, "Tokens per expert")[1]).toBe("900 at least, 1,000 in the median");
    expect(card).toContain("- 62.3 % of the expert matrices saw fewer tokens");
  });

  test("repaired routers are named, with what it brought", async () => {
    expect(card).toContain("- Router repaired: the gates of 22 of 23 routers, ");
    expect(card).toContain("fell by 10.0 % in the mean");
    expect(card).toContain(
      "- Rounding past the routers: errors of what writes into the residual stream (104 modules) ",
    );
    expect(card).toContain("- Earlier errors taken back: 81 tensors that every token comes to ");
    const without = await withTuning({ repair: { routers: null, aimed: null, moved: null } });
    expect(without).not.toMatch(/Router repaired|past the routers|taken back/);
  });

  test("a dense model has no word on experts", async () => {
    const { lm_head: head } = tuned.tuning!.modules;
    const text = await withTuning(
      {
        experts: null,
        repair: { routers: null, aimed: null, moved: null },
        kinds: { mlp: { tensors: 1, ratio: 0.25 } },
        modules: { "model.layers.0.mlp.up_proj": head! },
      },
      {
        options: { ...tuned.options, repair: [] },
        model: {
          ...tuned.model,
          modelType: "llama",
          experts: null,
          layers: [{ mixer: "attention", mlp: "dense", count: 1 }],
        },
        plan: {
          ...tuned.plan,
          modules: { "model.layers.0.mlp.up_proj": { bits: 4, groupSize: 64 } },
        },
        kept: {},
      },
    );
    expect(text).not.toMatch(/expert|router/i);
    expect(text).not.toContain("looked up");
    expect(text).toContain("- A Hessian that saw few tokens for its width");
    expect(row(text.split("same width is 1:")[1]!, "MLP")).toEqual(["MLP", "1", "0.250"]);
    expectWholeTables(text);
  });

  test("embeddings that are the output head too are tuned as such", async () => {
    const text = await withTuning({}, { model: { ...tuned.model, tiedHead: true } });
    expect(text).toContain("The codes of 164 of 164 quantized modules");
    expect(text).not.toContain("looked up");
  });

  test("each tier's own prefix is told from the base's activations", async () => {
    const text = await renderCard(
      tunedReceipt("oQ4e", { options: { ...tuned.options, propagation: "sequential" } }),
    );
    expect(text).toContain(
      "The inputs are those behind the blocks before, as quantized in this tier",
    );
    expect(text).toContain("--propagation sequential");
    expect(text).not.toContain("one Hessian serves every tier");
  });

  test.each([
    ["rows.txt", "`rows.txt`", "--calibration ./rows.txt "],
    ["my rows.txt", "`my rows.txt`", "--calibration './my rows.txt' "],
    [
      `datasets/o/n@${"a".repeat(40)}/x.txt`,
      `\`datasets/o/n@${"a".repeat(40)}/x.txt\``,
      `datasets/o/n@${"a".repeat(40)}/x.txt`,
    ],
  ])(
    "calibration text of one's own, %s, is named and needed again",
    async (source, shown, flag) => {
      const text = await renderCard(
        tunedReceipt("oQ4e", { calibration: { ...tuned.calibration!, source } }),
      );
      expect(row(text, "Their text")[1]).toBe(shown);
      expect(text).toContain(flag);
      expect(text).toContain("The calibration text is not part of this repository");
      expect(text).not.toContain("other documents of it");
      expect(text).not.toMatch(/\n{3}/);
    },
  );

  test("without evaluation rows none are claimed", async () => {
    expect(await renderCard(tunedReceipt("oQ4e", { evaluationRows: null }))).not.toContain(
      "Evaluation rows",
    );
  });

  test("a rounded tier has no section on tuning", async () => {
    expect(await renderCard(nemotronReceipt())).not.toMatch(
      /^## Tuning|\*\*Hessian-tuned|Propagation/m,
    );
  });
});
