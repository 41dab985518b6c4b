import { describe, expect, test } from "vitest";
import {
  evaluatedReceipt,
  nemotronReceipt,
  sha256,
  tunedReceipt,
} from "../../test/support/receipts.ts";
import { picturePaths } from "../card/pictures.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { blankTuning, type Recipe } from "../receipt/recipe.ts";
import { isCurrent } from "./current.ts";

const tuned = tunedReceipt();

const recipeOf = ({
  files: _,
  weightError: __,
  tuning: ___,
  evaluation: _p,
  otherTiers: _o,
  verifiedBase: _v,
  warnings: ____,
  ...recipe
}: Receipt): Recipe => recipe;

describe("a tier counts as published", () => {
  const files = new Map(
    Object.entries(tuned.files).map(([path, { bytes, sha256 }]) => [path, { size: bytes, sha256 }]),
  );
  const remote = {
    exists: true,
    head: "a".repeat(40),
    receipt: "",
    files: new Map<string, { size: number; sha256: string | null }>([
      ...files,
      ...["README.md", "oqe-bits.svg"].map(
        (path) => [path, { size: 1, sha256: sha256(path) }] as const,
      ),
    ]),
    sums: new Map([
      ...[...files].map(([path, file]) => [path, file.sha256] as const),
      ...["README.md", "oqe-bits.svg"].map((path) => [path, sha256(path)] as const),
    ]),
  };

  test("with any measurement, if the recipe is the same", () => {
    const other = {
      ...tuned,
      warnings: ["odd"],
      tuning: blankTuning(tuned),
      weightError: { relative: 1 },
    };
    expect(isCurrent(recipeOf(tuned), other, remote)).toBe(true);
  });

  test("by another version of the package, with another kernel", () => {
    const engine = { ...tuned.engine, version: "9.9.9", kernelSha256: sha256("another") };
    expect(isCurrent(recipeOf(tuned), { ...tuned, engine }, remote)).toBe(true);
  });

  test.each(["README.md", "oqe-bits.svg"])("not without its %s", (path) => {
    const without = new Map([...remote.files].filter(([name]) => name !== path));
    expect(isCurrent(recipeOf(tuned), tuned, { ...remote, files: without })).toBe(false);
  });

  test.each([...remote.sums.keys()])("not with another %s of the same size", (path) => {
    const { size } = remote.files.get(path)!;
    for (const other of [sha256("other"), null]) {
      const files = new Map([...remote.files, [path, { size, sha256: other }]]);
      expect(isCurrent(recipeOf(tuned), tuned, { ...remote, files })).toBe(false);
    }
  });

  test("not without its list of files", () => {
    expect(isCurrent(recipeOf(tuned), tuned, { ...remote, sums: null })).toBe(false);
  });

  test.each<[string, Partial<Receipt>]>([
    ["method", nemotronReceipt()],
    ["propagation", { options: { ...tuned.options, propagation: "sequential" } }],
    ["repair", { options: { ...tuned.options, repair: [] } }],
    ["calibration rows", { calibration: { ...tuned.calibration!, sha256: sha256("others") } }],
    ["evaluation rows", { evaluationRows: null }],
    ["recipe version", { engine: { ...tuned.engine, recipe: tuned.engine.recipe - 1 } }],
  ])("not with another %s", (_, changes) => {
    expect(isCurrent(recipeOf(tuned), { ...tuned, ...changes }, remote)).toBe(false);
  });
});

test("a tier stays current with other evaluation results, not with other evaluation rows", () => {
  const evaluated = evaluatedReceipt();
  const evaluation = evaluated.evaluation!;
  const remote = {
    exists: true,
    head: "a".repeat(40),
    receipt: null,
    sums: new Map<string, string>(),
    files: new Map<string, { size: number; sha256: string | null }>([
      ...["README.md", ...picturePaths].map((path) => [path, { size: 1, sha256: null }] as const),
      ...Object.entries(evaluated.files).map(
        ([path, { bytes, sha256 }]) => [path, { size: bytes, sha256 }] as const,
      ),
    ]),
  };
  const measured = { ...evaluated, evaluation: { ...evaluation, meanKl: 9 } };
  expect(isCurrent(recipeOf(evaluated), measured, remote)).toBe(true);
  const rows = { ...evaluated.evaluationRows!, sha256: sha256("x") };
  const other = { ...evaluated, evaluationRows: rows };
  expect(isCurrent(recipeOf(evaluated), other, remote)).toBe(false);
});
