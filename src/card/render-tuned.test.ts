import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { expectWholeTables, row } from "../../test/support/markdown-tables.ts";
import { measuredSeries } from "../../test/support/measured-receipts.ts";
import { nemotronReceipt, tunedReceipt } from "../../test/support/receipts.ts";
import { parseCommandLine } from "../entry/command-line.ts";
import { plainPaint } from "../ground/color.ts";
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
      "> **Hessian-tuned.** GPTQ chose the codes of 163 of 164 quantized modules",
    );
    expect(card).toContain("on 128 rows of 256 tokens of text, with one Hessian per routed expert");
    expect(card).toContain("The other is `backbone.embeddings`, a table that is looked up.");
    expect(card).toContain("4. **Tune:** GPTQ tuned 163 of 164 quantized modules");
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
    const [, section = ""] = card.split("Plain rounding to the same width is 1:");
    expect(row(section, kind).slice(1)).toEqual(expected);
  });

  test.each([
    ["Calibration rows", "128 rows of 256 tokens (32,768 tokens)"],
    ["Calibration text", "the text that comes with oqe-publisher"],
    ["Calibration rows per domain", "en 60, code 40, ja 28"],
    ["Rows for calibration", `\`${tuned.calibration!.sha256}\``],
    ["Rows for evaluation", `\`${tuned.evaluationRows!.sha256}\``],
    ["Rows of activations left out", "0"],
    ["Routed experts, all layers", "2,944"],
    ["Tokens per expert", "minimum 0, median 1,511.5; all are on the receipt"],
    ["Experts without a token", "3"],
    [
      "Expert matrices with fewer tokens",
      "62.3 %; their Hessians depend more on tokens of other experts",
    ],
    ["Evaluation rows, held out", "64 rows of 256 tokens (16,384 tokens)"],
  ])("states %s: %s", (label, value) => {
    expect(row(card, label).at(-1)).toBe(value);
  });

  test("states which rows stay rounded, and which module has no input to be tuned on", () => {
    expect(card).toMatch(
      /plain rounding is at least as good stay rounded: [\d,]+ of [\d,]+ rows \(1\.0 %\)\./,
    );
    expect(card).toContain("- `backbone.embeddings`: looked up, not multiplied.");
    expect(card).toContain("the text that comes with oqe-publisher, other documents");
  });

  test("claims nothing of rounding alone and nothing that was not measured", () => {
    expect(card).not.toMatch(
      /Rounded, not|No calibration|not done here|only rounded|tuning is to follow/,
    );
    expect(card).not.toMatch(unmeasured);
    expect(card).toContain("It does not measure the quality of text");
    expect(card).toContain("have not been measured for this build");
  });

  test("reproduces by naming method and calibration", () => {
    expect(card).toContain(
      "--tiers oQ4e --policy oq --method tuned --propagation reference --repair router,rounding --calibration-samples 128 --calibration-length 256 --evaluation-samples 64 --evaluation-length 256\n",
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

  test("reproduces with flags of `oqe quantize`, the texts' too", async () => {
    const { calibration, evaluationRows } = tuned;
    const own = {
      calibration: { ...calibration!, source: "rows.txt" },
      evaluationRows: { ...evaluationRows!, source: "datasets/acme/text@0/a.txt" },
    };
    const text = await renderCard(tunedReceipt("oQ4e", own));
    const [, command] = /^npx --yes .* (quantize .*)$/m.exec(text)!;
    const page = { write: () => {}, columns: 80, paint: plainPaint };
    const { flags } = parseCommandLine(command!.split(" "), page)!;
    expect(flags).toMatchObject({
      calibration: "./rows.txt",
      evaluation: "datasets/acme/text@0/a.txt",
    });
  });

  test("has complete tables and no empty value, as a draft and as made", async () => {
    for (const tier of ["oQ8e", "oQ6e", "oQ5e", "oQ4e"]) {
      for (const tuning of [tunedReceipt(tier).tuning, blankTuning(tuned)]) {
        const text = await renderCard(tunedReceipt(tier, { tuning }));
        expectWholeTables(text);
        expect(text).not.toMatch(/undefined|\bnull\b|NaN|Infinity|\[object|\{\{|\{%|\n{3}/);
      }
    }
  });
});

describe("the card follows the tuning record", () => {
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
      "- Fallback, 2 modules (`backbone.layers.5.mixer.q_proj`, `lm_head`): Hessian damped by 10 % instead of 1 %.",
    );
    expect(text.match(/Warning of the build.*/g)).toEqual(["Warning of the build: `lm_head`: odd"]);
    expect(row(text, "Rows of activations left out")[1]).toBe("1");
    expectWholeTables(text);
  });

  test("enough tokens for every expert is not listed as a limit", async () => {
    const text = await withTuning({
      experts: { experts: 4, min: 900, median: 1000, unseen: 0, belowColumns: 0, tokens: [] },
    });
    expect(text).not.toContain("depend more on tokens of other experts");
    expect(row(text, "Tokens per expert")[1]).toBe("minimum 900, median 1,000");
  });

  test("repaired routers are named with the gain", async () => {
    expect(card).toContain("- Router repair: the unquantized gates of 22 of 23 routers ");
    expect(card).toContain("fell by 10.0 % on average");
    expect(card).toContain(
      "- Router-aware rounding: in matrices that write into the residual stream (104 modules), ",
    );
    expect(card).toContain("- Residual repair: 81 tensors that every token visits ");
    const without = await withTuning({ repair: { routers: null, routerAware: null, moved: null } });
    expect(without).not.toMatch(/Router repair|Router-aware|Residual repair/);
  });

  test("a dense model says nothing about experts", async () => {
    const { lm_head: head } = tuned.tuning!.modules;
    const text = await withTuning(
      {
        experts: null,
        repair: { routers: null, routerAware: null, moved: null },
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
        unquantized: {},
      },
    );
    expect(text).not.toMatch(/expert|router/i);
    expect(text).not.toContain("looked up");
    expect(text).toContain("- A Hessian with few tokens for its size");
    expect(row(text.split("same width is 1:")[1]!, "MLP")).toEqual(["MLP", "1", "0.250"]);
    expectWholeTables(text);
  });

  test("embeddings that are the output head too are tuned as such", async () => {
    const text = await withTuning({}, { model: { ...tuned.model, tiedHead: true } });
    expect(text).toContain("GPTQ chose the codes of 164 of 164 quantized modules");
    expect(text).not.toContain("looked up");
  });

  test("sequential propagation is distinguished from the base's activations", async () => {
    const text = await renderCard(
      tunedReceipt("oQ4e", { options: { ...tuned.options, propagation: "sequential" } }),
    );
    expect(text).toContain("The inputs come from this tier's own quantized blocks");
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
      expect(row(text, "Calibration text")[1]).toBe(shown);
      expect(text).toContain(flag);
      expect(text).toContain("The calibration text is not part of this repository");
      expect(text).not.toContain("other documents");
      expect(text).not.toMatch(/\n{3}/);
    },
  );

  test("without evaluation rows the card claims none", async () => {
    expect(await renderCard(tunedReceipt("oQ4e", { evaluationRows: null }))).not.toContain(
      "Evaluation rows",
    );
  });

  test("a rounded tier has no section on tuning", async () => {
    expect(await renderCard(nemotronReceipt())).not.toMatch(
      /<summary>Tuning|\*\*Hessian-tuned|Propagation/m,
    );
  });
});

describe("the card of a tier with tied embeddings", () => {
  const model = { ...tuned.model, tiedHead: true };
  const tried = [0, 0.5, 1].map((mix) => ({ mix, forcedKl: 1, flipPower: 0, cost: 2 - mix }));

  test("says with what shares the one table was tuned, and why", async () => {
    const [series] = measuredSeries;
    const sensitivity = { ...series!.sensitivity!, tied: { mix: 1, tried } };
    const text = await renderCard({
      ...series!,
      model: { ...series!.model, tiedHead: true },
      sensitivity,
    });
    expect(text).toContain("a share of 100 % and of that of looking rows up with 0 %");
    expect(text).toContain("Of the shares 0 %, 50 %, 100 %, this one had the least KL");
    const untried = await renderCard({ ...tuned, model });
    expect(untried).toContain("a share of 50 % and of that of looking rows up with 50 %");
    expect(untried).toContain("No other share was tried.");
    expect(card).not.toContain("one table is tuned for both uses");
  });
});
