import { describe, expect, test } from "vitest";
import { evaluatedReceipt, nemotronReceipt } from "../../test/support/receipts.ts";
import type { Receipt } from "./receipt.ts";
import { parseReceipt, writeReceipt } from "./receipt-file.ts";
import { blankEvaluation } from "./recipe.ts";

/** The receipt's JSON with one field replaced, by its path; undefined removes it. */
function changed(receipt: Receipt, path: string, value: unknown): string {
  const root = JSON.parse(writeReceipt(receipt));
  const names = path.split("/");
  const holder = names.slice(0, -1).reduce((object, name) => object[name], root);
  holder[names.at(-1)!] = value;
  return JSON.stringify(root);
}

const evaluated = evaluatedReceipt();
const evaluation = evaluated.evaluation!;

describe("the receipt of an evaluated tier", () => {
  test.each(["oQ8e", "oQ6e", "oQ5e", "oQ4e"])("%s reads back as it was written", (tier) => {
    const receipt = evaluatedReceipt(tier);
    const text = writeReceipt(receipt);
    expect(parseReceipt(text, "x")).toEqual(receipt);
    expect(writeReceipt(parseReceipt(text, "x"))).toBe(text);
  });

  test("a dense model evaluated on one row, without prediction and rounding, reads back", () => {
    const { rows: _, ...rest } = evaluation;
    const evaluationRows = {
      ...evaluated.evaluationRows!,
      samples: 1,
      tokens: 256,
      domains: { en: 1 },
    };
    const one = { positions: 256, meanKlError: null, perplexityRatioError: null };
    const routers = { routerAgreement: null, exactRoutes: null };
    const dense: Receipt = {
      ...evaluated,
      model: { ...evaluated.model, experts: null },
      evaluationRows,
      evaluation: {
        ...rest,
        ...one,
        ...routers,
        rows: { ...evaluation.rows, samples: 1 },
        forcedPositions: 256,
        forcedMeanKlError: null,
        byDomain: [{ ...evaluation.byDomain[0]!, ...one }],
        byLayer: [],
        predicted: null,
        rounded: null,
        gates: [],
      },
    };
    expect(parseReceipt(writeReceipt(dense), "x")).toEqual(dense);
  });

  test.each([
    ["evaluation", [], "evaluation"],
    ["evaluation", { ...evaluation, rounded: 3 }, "evaluation.rounded"],
    ["evaluation/rows", null, "evaluation.rows"],
    ["evaluation/rows/source", "/home/me/rows.txt", "evaluation.rows.source"],
    ["evaluation/rows/sha256", "0".repeat(64), "evaluation.rows.sha256"],
    ["evaluation/rows/samples", 127, "evaluation.rows.samples"],
    ["evaluationRows", null, "evaluation.rows.source"],
    ["evaluation/positions", 5, "evaluation.positions"],
    ["evaluation/meanKl", -0.1, "evaluation.meanKl"],
    ["evaluation/meanKl", "0.1", "evaluation.meanKl"],
    ["evaluation/meanKl", null, "evaluation.meanKl"],
    ["evaluation/meanKlError", undefined, "evaluation.meanKlError"],
    ["evaluation/sameTop", 1.01, "evaluation.sameTop"],
    ["evaluation/perplexity", {}, "evaluation.perplexity"],
    ["evaluation/p999Kl", undefined, "evaluation.p999Kl"],
    ["evaluation/forcedMeanKl", [], "evaluation.forcedMeanKl"],
    ["evaluation/forcedPositions", undefined, "evaluation.forcedPositions"],
    ["evaluation/forcedPositions", 16_385, "evaluation.forcedPositions"],
    ["evaluation/forcedPositions", 65_536, "evaluation.forcedPositions"],
    ["evaluation/routerAgreement", null, "evaluation.routerAgreement"],
    ["evaluation/exactRoutes", 2, "evaluation.exactRoutes"],
    ["evaluation/byDomain", {}, "evaluation.byDomain"],
    [
      "evaluation/byDomain",
      [evaluation.byDomain[0], evaluation.byDomain[0]],
      "evaluation.byDomain",
    ],
    ["evaluation/byDomain/0/domain", "<b>", "evaluation.byDomain[0].domain"],
    ["evaluation/byDomain/3/meanKl", null, "evaluation.byDomain[3].meanKl"],
    ["evaluation/byLayer", [], "evaluation.routerAgreement"],
    ["evaluation/byLayer", [evaluation.byLayer[1], evaluation.byLayer[0]], "evaluation.byLayer"],
    ["evaluation/byLayer/1/layer", -1, "evaluation.byLayer[1].layer"],
    ["evaluation/predicted", { kl: 1 }, "evaluation.predicted.forcedKl"],
    ["evaluation/exactRoutes", null, "evaluation.routerAgreement"],
    ["evaluation/rounded/exactRoutes", null, "evaluation.rounded.routerAgreement"],
    ["evaluation/rounded/sameTop", "high", "evaluation.rounded.sameTop"],
    ["evaluation/gates/0/gate", "max-ppl", "evaluation.gates[0].gate"],
    ["evaluation/gates/0/passed", false, "evaluation.gates[0].passed"],
    ["evaluation/gates/1/value", 0.1, "evaluation.gates[1].passed"],
    ["model/experts", null, "evaluation.routerAgreement"],
  ])("is refused with %s = %j", (path, value, field) => {
    const parse = () => parseReceipt(changed(evaluated, path, value), "oqe-receipt.json");
    expect(parse).toThrow(`oqe-receipt.json: field "${field}" is `);
  });
});

test("a draft has a blank evaluation that can be written, if the run evaluates", () => {
  for (const experts of [evaluated.model.experts, null]) {
    const receipt = { ...evaluated, model: { ...evaluated.model, experts } };
    const blank = { ...receipt, evaluation: blankEvaluation(receipt) };
    expect(parseReceipt(writeReceipt(blank), "x")).toEqual(blank);
    expect(blank.evaluation?.byDomain).toHaveLength(9);
  }
  expect(blankEvaluation(nemotronReceipt())).toBeNull();
});
