import { describe, expect, test } from "vitest";
import { nemotronReceipt, provenReceipt, sha256 } from "../../test/support/receipts.ts";
import { picturePaths } from "../card/pictures.ts";
import { isCurrent } from "../series/current.ts";
import type { Receipt } from "./receipt.ts";
import { parseReceipt, writeReceipt } from "./receipt-file.ts";
import { blankProof } from "./recipe.ts";

/** The receipt's JSON with one field replaced, by its path; undefined removes it. */
function changed(receipt: Receipt, path: string, value: unknown): string {
  const root = JSON.parse(writeReceipt(receipt));
  const names = path.split("/");
  const holder = names.slice(0, -1).reduce((object, name) => object[name], root);
  holder[names.at(-1)!] = value;
  return JSON.stringify(root);
}

const proven = provenReceipt();
const proof = proven.proof!;

describe("the receipt of a proven tier", () => {
  test.each(["oQ8e", "oQ6e", "oQ5e", "oQ4e"])("%s reads back as it was written", (tier) => {
    const receipt = provenReceipt(tier);
    const text = writeReceipt(receipt);
    expect(parseReceipt(text, "x")).toEqual(receipt);
    expect(writeReceipt(parseReceipt(text, "x"))).toBe(text);
  });

  test("of a dense model on one row, not compared with anything, reads back too", () => {
    const { rows: _, ...rest } = proof;
    const evaluation = { ...proven.evaluation!, samples: 1, tokens: 256, domains: { en: 1 } };
    const one = { positions: 256, meanKlError: null, perplexityRatioError: null };
    const routers = { routerAgreement: null, exactRoutes: null };
    const dense: Receipt = {
      ...proven,
      model: { ...proven.model, experts: null },
      evaluation,
      proof: {
        ...rest,
        ...one,
        ...routers,
        rows: { ...proof.rows, samples: 1 },
        forcedMeanKlError: null,
        byDomain: [{ ...proof.byDomain[0]!, ...one }],
        byLayer: [],
        predicted: null,
        rounded: null,
        gates: [],
      },
    };
    expect(parseReceipt(writeReceipt(dense), "x")).toEqual(dense);
  });

  test("of an earlier version has none", () => {
    const { proof: _, ...old } = JSON.parse(writeReceipt(nemotronReceipt()));
    expect(parseReceipt(JSON.stringify(old), "x").proof).toBeNull();
  });

  test.each([
    ["proof", [], "proof"],
    ["proof", { ...proof, rounded: 3 }, "proof.rounded"],
    ["proof/rows", null, "proof.rows"],
    ["proof/rows/source", "/home/me/rows.txt", "proof.rows.source"],
    ["proof/rows/sha256", "0".repeat(64), "proof.rows.sha256"],
    ["proof/rows/samples", 127, "proof.rows.samples"],
    ["evaluation", null, "proof.rows.source"],
    ["proof/positions", 5, "proof.positions"],
    ["proof/meanKl", -0.1, "proof.meanKl"],
    ["proof/meanKl", "0.1", "proof.meanKl"],
    ["proof/meanKl", null, "proof.meanKl"],
    ["proof/meanKlError", undefined, "proof.meanKlError"],
    ["proof/sameTop", 1.01, "proof.sameTop"],
    ["proof/perplexity", {}, "proof.perplexity"],
    ["proof/p999Kl", undefined, "proof.p999Kl"],
    ["proof/forcedMeanKl", [], "proof.forcedMeanKl"],
    ["proof/routerAgreement", null, "proof.routerAgreement"],
    ["proof/exactRoutes", 2, "proof.exactRoutes"],
    ["proof/byDomain", {}, "proof.byDomain"],
    ["proof/byDomain", [proof.byDomain[0], proof.byDomain[0]], "proof.byDomain"],
    ["proof/byDomain/0/domain", "<b>", "proof.byDomain[0].domain"],
    ["proof/byDomain/3/meanKl", null, "proof.byDomain[3].meanKl"],
    ["proof/byLayer", [], "proof.routerAgreement"],
    ["proof/byLayer", [proof.byLayer[1], proof.byLayer[0]], "proof.byLayer"],
    ["proof/byLayer/1/layer", -1, "proof.byLayer[1].layer"],
    ["proof/predicted", { kl: 1 }, "proof.predicted.forcedKl"],
    ["proof/rounded/sameTop", "high", "proof.rounded.sameTop"],
    ["proof/gates/0/gate", "max-ppl", "proof.gates[0].gate"],
    ["proof/gates/0/passed", false, "proof.gates[0].passed"],
    ["proof/gates/1/value", 0.1, "proof.gates[1].passed"],
    ["model/experts", null, "proof.routerAgreement"],
  ])("is refused with %s = %j", (path, value, field) => {
    const parse = () => parseReceipt(changed(proven, path, value), "oqe-receipt.json");
    expect(parse).toThrow(`oqe-receipt.json: field "${field}" is `);
  });
});

test("a proof is measured, not asked for: it does not make a published tier another one", () => {
  const {
    files,
    weightError: _w,
    tuning: _t,
    warnings: _s,
    proof: __,
    otherTiers: _o,
    ...recipe
  } = proven;
  const remote = {
    exists: true,
    head: "a".repeat(40),
    receipt: null,
    files: new Map<string, { size: number; sha256: string | null }>([
      ...["README.md", ...picturePaths].map((path) => [path, { size: 1, sha256: null }] as const),
      ...Object.entries(files).map(
        ([path, { bytes, sha256 }]) => [path, { size: bytes, sha256 }] as const,
      ),
    ]),
  };
  expect(isCurrent(recipe, { ...proven, proof: { ...proof, meanKl: 9 } }, remote)).toBe(true);
  expect(
    isCurrent(
      recipe,
      { ...proven, evaluation: { ...proven.evaluation!, sha256: sha256("x") } },
      remote,
    ),
  ).toBe(false);
});

test("the rehearsal of a proof can be written, and there is none where nothing will be measured", () => {
  for (const experts of [proven.model.experts, null]) {
    const receipt = { ...proven, model: { ...proven.model, experts } };
    const blank = { ...receipt, proof: blankProof(receipt) };
    expect(parseReceipt(writeReceipt(blank), "x")).toEqual(blank);
    expect(blank.proof?.byDomain).toHaveLength(9);
  }
  expect(blankProof(nemotronReceipt())).toBeNull();
});
