import { describe, expect, test } from "vitest";
import { nemotronReceipt, tunedReceipt } from "../../test/support/receipts.ts";
import type { Receipt, TuningRecord } from "./receipt.ts";
import { parseReceipt, writeReceipt } from "./receipt-file.ts";
import { blankTuning, completeReceipt, type Recipe } from "./recipe.ts";

const tuned = tunedReceipt();

/** The receipt's JSON with one field replaced, by its path; undefined removes it. */
function changed(receipt: Receipt, path: string, value: unknown): string {
  const root = JSON.parse(writeReceipt(receipt));
  const names = path.split("/");
  const holder = names.slice(0, -1).reduce((object, name) => object[name], root);
  holder[names.at(-1)!] = value;
  return JSON.stringify(root);
}

describe("the receipt of a tuned tier", () => {
  test.each(["oQ8e", "oQ4e"])("%s reads back as it was written", (tier) => {
    const receipt = tunedReceipt(tier, { warnings: ["`lm_head`: rounded"] });
    const text = writeReceipt(receipt);
    expect(parseReceipt(text, "x")).toEqual(receipt);
    expect(writeReceipt(parseReceipt(text, "x"))).toBe(text);
  });

  test("of a dense model on a file of the Hub, with a fallback, reads back", () => {
    const receipt = tunedReceipt("oQ4e", {
      calibration: {
        ...tuned.calibration!,
        source: `datasets/org/name@${"a".repeat(40)}/deep/rows.txt`,
      },
      evaluationRows: null,
      tuning: {
        experts: null,
        droppedRows: 1,
        repair: { routers: null, routerAware: null, moved: null },
        kinds: {},
        modules: {
          lm_head: {
            ratio: 1,
            roundedRows: 8,
            rows: 8,
            fallback: "plain rounding: no finite activation",
          },
        },
      },
    });
    expect(parseReceipt(writeReceipt(receipt), "x")).toEqual(receipt);
  });

  test.each([
    ["options/method", "rounded", "options.propagation"],
    ["options/propagation", "both", "options.propagation"],
    ["options/propagation", undefined, "options.propagation"],
    ["options/repair", null, "options.repair"],
    ["options/repair", undefined, "options.repair"],
    ["options/repair", ["all"], "options.repair[0]"],
    ["tuning/repair", undefined, "tuning.repair"],
    ["tuning/repair", {}, "tuning.repair.routers"],
    [
      "tuning/repair/routers",
      [{ layer: 1, repaired: true, ratio: 1 }],
      "tuning.repair.routers[0].ratio",
    ],
    [
      "tuning/repair/routers",
      [{ layer: 1, repaired: true, ratio: null }],
      "tuning.repair.routers[0].ratio",
    ],
    ["tuning/repair/routerAware", -1, "tuning.repair.routerAware"],
    ["tuning/repair/moved", "4", "tuning.repair.moved"],
    [
      "tuning/repair/routers",
      [{ layer: 1, repaired: 1, ratio: null }],
      "tuning.repair.routers[0].repaired",
    ],
    ["options/rounding", "mlx", "options.rounding"],
    ["calibration", null, "calibration"],
    ["calibration", "bundled", "calibration"],
    ["calibration/source", "/home/me/rows.txt", "calibration.source"],
    ["calibration/source", "../rows.txt", "calibration.source"],
    ["calibration/source", "datasets/org/name@main/rows.txt", "calibration.source"],
    ["calibration/source", "two\nlines", "calibration.source"],
    ["calibration/sha256", "abc", "calibration.sha256"],
    ["calibration/samples", -1, "calibration.samples"],
    ["calibration/length", 0.5, "calibration.length"],
    ["calibration/tokens", 1, "calibration.tokens"],
    ["calibration/domains", { en: 1 }, "calibration.domains"],
    ["calibration/domains", { "<b>": 128 }, "calibration.domains.<b>"],
    ["calibration/domains", { en: "128" }, "calibration.domains.en"],
    ["evaluationRows/sha256", undefined, "evaluationRows.sha256"],
    ["evaluationRows/tokens", 3, "evaluationRows.tokens"],
    ["tuning", null, "tuning"],
    ["tuning", [], "tuning"],
    ["tuning/experts", undefined, "tuning.experts"],
    ["tuning/experts/min", -1, "tuning.experts.min"],
    ["tuning/experts/median", "12", "tuning.experts.median"],
    ["tuning/experts/median", 0.25, "tuning.experts.median"],
    ["tuning/experts/belowColumns", 1.5, "tuning.experts.belowColumns"],
    ["tuning/droppedRows", null, "tuning.droppedRows"],
    ["tuning/kinds", { convolution: { tensors: 1, ratio: 1 } }, "tuning.kinds.convolution"],
    ["tuning/kinds/head", { tensors: 1, ratio: -0.5 }, "tuning.kinds.head.ratio"],
    ["tuning/kinds/head", { tensors: 0.5, ratio: 0.5 }, "tuning.kinds.head.tensors"],
    [
      "tuning/modules",
      { unknown: { ratio: 1, roundedRows: 0, rows: 1 } },
      "tuning.modules.unknown",
    ],
    [
      "tuning/modules/lm_head",
      { ratio: null, roundedRows: 0, rows: 1 },
      "tuning.modules.lm_head.ratio",
    ],
    ["tuning/modules/lm_head", { ratio: 1, roundedRows: 0 }, "tuning.modules.lm_head.rows"],
    [
      "tuning/modules/lm_head",
      { ratio: 1, roundedRows: 2, rows: 1 },
      "tuning.modules.lm_head.roundedRows",
    ],
    [
      "tuning/modules/lm_head",
      { ratio: 1, roundedRows: 0, rows: 1, fallback: 3 },
      "tuning.modules.lm_head.fallback",
    ],
  ])("is refused with %s = %j", (path, value, field) => {
    const parse = () => parseReceipt(changed(tuned, path, value), "oqe-receipt.json");
    expect(parse).toThrow(`oqe-receipt.json: field "${field}" is `);
  });
});

test.each(["calibration", "tuning"])("the receipt of a rounded tier has no %s", (name) => {
  const parse = () => parseReceipt(changed(nemotronReceipt(), name, tuned[name as "tuning"]), "x");
  expect(parse).toThrow(`field "${name}" is `);
});

const recipeOf = ({
  files: _,
  weightError: __,
  tuning: ___,
  evaluation: _p,
  otherTiers: _o,
  warnings: ____,
  ...recipe
}: Receipt): Recipe => recipe;

describe("a completed receipt", () => {
  const complete = (tuning: TuningRecord) =>
    completeReceipt(recipeOf(tuned), {
      files: {},
      weightError: { relative: 0 },
      verifiedBase: null,
      tuning,
      evaluation: null,
      warnings: [],
    }).tuning!;

  test("has ratios of six digits, and counts as they are", () => {
    const third = { tensors: 3, ratio: 1 / 3 };
    const { experts, repair, kinds, modules } = complete({
      experts: {
        experts: 1,
        min: 1,
        median: 1_234_567.5,
        unseen: 0,
        belowColumns: 2 / 3,
        tokens: [],
      },
      droppedRows: 0,
      repair: { routers: [{ layer: 1, repaired: true, ratio: 2 / 3 }], routerAware: 3, moved: 4 },
      kinds: { head: third },
      modules: { lm_head: { ratio: 1e-7 / 3, roundedRows: 1_234_567, rows: 12_345_678 } },
    });
    expect(experts).toEqual({
      experts: 1,
      min: 1,
      median: 1_234_567.5,
      unseen: 0,
      belowColumns: 0.666667,
      tokens: [],
    });
    expect(repair).toEqual({
      routers: [{ layer: 1, repaired: true, ratio: 0.666667 }],
      routerAware: 3,
      moved: 4,
    });
    expect(kinds).toEqual({ head: { tensors: 3, ratio: 0.333333 } });
    expect(modules).toEqual({
      lm_head: { ratio: 3.33333e-8, roundedRows: 1_234_567, rows: 12_345_678 },
    });
  });

  test("with NaN cannot be written", () => {
    const tuning = complete({ ...tuned.tuning!, kinds: { head: { tensors: 0, ratio: 0 / 0 } } });
    expect(() => writeReceipt({ ...tuned, tuning })).toThrow(/tuning\.kinds\.head\.ratio/);
  });

  test("has a blank tuning record before anything is measured", () => {
    expect(blankTuning(recipeOf(nemotronReceipt()))).toBeNull();
    const tuning = blankTuning(recipeOf(tuned));
    expect(parseReceipt(writeReceipt({ ...tuned, tuning }), "x").tuning).toEqual(tuning);
    expect(
      blankTuning({ ...recipeOf(tuned), model: { ...tuned.model, experts: null } })?.experts,
    ).toBeNull();
  });
});
