import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import type { InputName } from "./input-table.ts";
import { parseText } from "./input-values.ts";
import { parseInputs, unusedInputs } from "./inputs.ts";

type Given = Partial<Record<InputName, string>>;

const reader = (given: Given) => (name: InputName) =>
  ({ "base-model": "org/base", ...given })[name] ?? "";
const parse = (given: Given = {}) => parseInputs(reader(given), {});
const unused = (given: Given) => unusedInputs(reader(given), parse(given));

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

describe("inputs of tuning", () => {
  test("have defaults, and empty text means the default", () => {
    expect(parse()).toMatchObject({
      method: "tuned",
      rounding: "stored",
      calibration: { kind: "bundled" },
      calibrationSamples: 128,
      calibrationLength: 256,
      propagation: "reference",
      repair: ["router", "rounding"],
      verify: true,
      evaluation: { kind: "bundled" },
      evaluationSamples: null,
      evaluationLength: null,
      gates: { "max-kl": {}, "min-same-top": {}, "min-router-agreement": {} },
      workers: null,
      memoryLimit: null,
    });
    expect(parse({ "calibration-samples": " ", method: "" })).toEqual(parse());
  });

  test("are read as given, choices in any case", () => {
    const given = {
      method: "Rounded",
      propagation: "sequential",
      repair: "None",
      "calibration-samples": "1",
      "calibration-length": "8192",
      verify: "False",
      "evaluation-samples": "9",
      "evaluation-length": "64",
      "memory-limit": "3.5 gb",
      "max-kl": "1e-2",
      "min-same-top": "oq4e=0.5 0.9,oQ8e=1",
    };
    expect(parse(given)).toMatchObject({
      method: "rounded",
      propagation: "sequential",
      repair: [],
      calibrationSamples: 1,
      calibrationLength: 8192,
      verify: false,
      evaluationSamples: 9,
      evaluationLength: 64,
      memoryLimit: 3.5e9,
      gates: {
        "max-kl": { all: 0.01 },
        "min-same-top": { oQ4e: 0.5, all: 0.9, oQ8e: 1 },
        "min-router-agreement": {},
      },
    });
  });

  test.each<[InputName, string, RegExp]>([
    ["method", "gptq", /^method: "gptq" is not one of rounded, tuned$/],
    ["propagation", "both", /^propagation: "both" is not one of reference, sequential$/],
    ["repair", "gate", /^repair: "gate" is not one of residual, router, rounding, none$/],
    ["repair", "router,,rounding x", /^repair: "x" is not one of/],
    [
      "repair",
      "residual",
      /^repair residual needs .* propagation reference tunes all tiers on the base's$/,
    ],
    ["repair", "router,none", /^repair: "router,none" has none beside another value$/],
    ["calibration-samples", "0", /^calibration-samples: "0" is not a whole number from 1 to 4096$/],
    ["calibration-samples", "4097", /from 1 to 4096/],
    ["calibration-samples", "1e2", /"1e2" is not a whole number/],
    [
      "calibration-length",
      "15",
      /^calibration-length: "15" is not a whole number from 16 to 8192$/,
    ],
    ["calibration-length", "256.5", /from 16 to 8192/],
    ["calibration-length", "0x100", /from 16 to 8192/],
    ["verify", "perhaps", /^verify: "perhaps" is neither true nor false$/],
    ["evaluation", "./nowhere.txt", /^evaluation: .*nowhere\.txt does not exist$/],
    ["evaluation-samples", "0", /^evaluation-samples: "0" is not a whole number from 1 to 4096$/],
    ["max-kl", "small", /^max-kl: "small" is not a limit: expected a number of 0 or more$/],
    ["max-kl", "-1", /^max-kl: "-1" is not a limit/],
    ["max-kl", "oQ9e=1", /^max-kl: "oQ9e" is not a tier; known are oQ8e, oQ6e, oQ5e, oQ4e$/],
    ["max-kl", "1e999", /is not a limit/],
    ["min-same-top", "95", /^min-same-top: "95" is not a limit: expected a number from 0 to 1$/],
    ["min-router-agreement", "oQ4e=.9 oQ4E=.8", /^min-router-agreement: two limits for oQ4e$/],
    ["min-same-top", "0.1,0.2", /two limits for all tiers/],
    ["evaluation-length", "8", /^evaluation-length: "8" is not a whole number from 16 to 8192$/],
    ["memory-limit", "4", /^memory-limit: "4" is not a size$/],
    ["memory-limit", "0GB", /^memory-limit: "0GB" is not a size$/],
    ["memory-limit", "60%", /^memory-limit: "60%" is not a size$/],
    ["workers", "65", /^workers: "65" is not a whole number from 1 to 64$/],
    ["calibration", "./nowhere.txt", /nowhere\.txt does not exist/],
    ["calibration", "corpus.txt", /"corpus\.txt" is neither a file nor a file of a dataset/],
    ["calibration", "datasets/org/name", /neither/],
    ["calibration", "datasets/org/name@main", /neither/],
    ["calibration", "datasets/../name/a.txt", /neither/],
    ["calibration", "datasets/org/name/../../a.txt", /neither/],
    ["calibration", "datasets/org/name/a//b.txt", /neither/],
    ["calibration", "datasets/org/name/a.txt?x=1", /neither/],
    ["calibration", "https://example.org/a.txt", /neither/],
  ])("%s = %j is refused in one sentence", (name, value, says) => {
    expect(() => parse({ [name]: value })).toThrow(
      expect.objectContaining({ code: "BAD_INPUT", message: expect.stringMatching(says) }),
    );
  });

  test("rounding mlx excludes tuning, given or by default", () => {
    const refused = (message: RegExp) =>
      expect.objectContaining({
        code: "BAD_INPUT",
        message: expect.stringMatching(message),
        hint: expect.stringContaining("method rounded"),
      });
    const both = { method: "tuned", rounding: "mlx" };
    expect(() => parse(both)).toThrow(refused(/^rounding mlx .* method tuned chooses/));
    expect(() => parse({ rounding: "mlx" })).toThrow(
      refused(/^rounding mlx .* method tuned, the default, chooses/),
    );
    expect(parse({ method: "rounded", rounding: "mlx" }).rounding).toBe("mlx");
  });

  test("without effect on the method are named; defaults are not", () => {
    expect(unused({ method: "rounded" })).toEqual([]);
    const set = {
      method: "rounded",
      calibration: "datasets/org/name/a.txt",
      propagation: "sequential",
      repair: "none",
      "calibration-length": "256",
    };
    expect(unused(set)).toEqual([
      "without effect: calibration, propagation, repair (method rounded reads no calibration text)",
    ]);
    expect(unused({ ...set, method: "tuned" })).toEqual([]);
    const evaluation = {
      evaluation: "datasets/org/name/a.txt",
      "evaluation-samples": "4",
      "max-kl": "oQ4e=1",
    };
    expect(unused(evaluation)).toEqual([]);
    expect(unused({ ...evaluation, verify: "false" })).toEqual([
      "without effect: evaluation, evaluation-samples, max-kl (verify is false)",
    ]);
  });
});

describe("tiers", () => {
  const named = (given: Given) => parse(given).tiers.map(({ name }) => name);

  test("may be custom ones by name, as another job lists them", () => {
    expect(named({ tiers: "oQ4.25e" })).toEqual(["oQ4.25e"]);
    expect(named({ tiers: "oQ18GBe, oQ4e" })).toEqual(["oQ4e", "oQ18GBe"]);
    expect(named({ tiers: "oQ5.0e", "target-bpw": "4.25" })).toEqual(["oQ4.25e", "oQ5.0e"]);
    expect(named({ "target-size": "18GB" })).toEqual(["oQ18GBe"]);
    expect(named({})).toEqual(["oQ8e", "oQ6e", "oQ5e", "oQ4e"]);
  });

  test.each([
    ["oQ4.25e oQ9e", /"oQ9e" is not a tier/],
    ["oQ17.5e", /"17.5" is not a number of bits/],
    [",", /none given/],
  ])("%j are refused", (tiers, message) => {
    const refused = { code: "BAD_INPUT", message: expect.stringMatching(message) };
    expect(() => parse({ tiers })).toThrow(expect.objectContaining(refused));
  });

  test("that another job makes may have limits, where a part of the series is made", () => {
    const limits = { tiers: "oQ8e", "max-kl": "oQ4.25e=0.1,oQ8e=0.01" };
    expect(parse({ ...limits, command: "tune" }).gates["max-kl"]).toEqual({
      "oQ4.25e": 0.1,
      oQ8e: 0.01,
    });
    const unknown = expect.objectContaining({ message: expect.stringContaining('"oQ4.25e"') });
    expect(() => parse(limits)).toThrow(unknown);
    const typo = { ...limits, "max-kl": "oQ9e=0.1", command: "tune" };
    expect(() => parse(typo)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
  });

  test("are not staged if they are rounded", () => {
    expect(() => parse({ method: "rounded", command: "tune" })).toThrow(
      expect.objectContaining({ code: "BAD_INPUT", hint: expect.stringContaining("one run") }),
    );
  });
});

describe("calibration text", () => {
  test("is a file where one exists, even if its name could be a dataset's", async () => {
    await writeFile(join(folder, "rows.txt"), "text");
    const path = join(folder, "rows.txt");
    expect(parseText("calibration", path)).toEqual({ kind: "file", path });
  });

  test("is no folder", async () => {
    await mkdir(join(folder, "rows"));
    expect(() => parseText("calibration", join(folder, "rows"))).toThrow(/rows is not a file$/);
  });

  test("may be in the home folder", () => {
    expect(() => parseText("calibration", "~/no such file")).toThrow(
      join(homedir(), "no such file"),
    );
  });

  test.each([
    ["datasets/org/name/a.txt", { dataset: "org/name", revision: "main", path: "a.txt" }],
    [
      "datasets/org/name@v1.0/deep/a b.jsonl",
      { dataset: "org/name", revision: "v1.0", path: "deep/a b.jsonl" },
    ],
    ["hf://datasets/o/n/train.txt", { dataset: "o/n", revision: "main", path: "train.txt" }],
  ])("%s is a file of a dataset", (text, expected) => {
    expect(parseText("calibration", text)).toEqual({ kind: "hub", ...expected });
  });
});
