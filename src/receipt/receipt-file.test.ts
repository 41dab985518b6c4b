import { describe, expect, test } from "vitest";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import type { Receipt } from "./receipt.ts";
import { parseReceipt, writeReceipt } from "./receipt-file.ts";

const problem = (text: string): OqeError => {
  try {
    parseReceipt(text, "oqe-receipt.json");
  } catch (error) {
    if (error instanceof OqeError) return error;
    throw error;
  }
  throw new Error("no error");
};

/** The receipt's JSON with one field replaced, by its path; undefined removes it. */
function changed(path: string, value: unknown): string {
  const root = JSON.parse(writeReceipt(nemotronReceipt()));
  const names = path.split("/");
  const holder = names.slice(0, -1).reduce((object, name) => object[name], root);
  holder[names.at(-1)!] = value;
  return JSON.stringify(root);
}

describe("a receipt", () => {
  test.each(["oQ8e", "oQ6e", "oQ5e", "oQ4e"])("of %s reads back as it was written", (tier) => {
    const receipt = nemotronReceipt(tier);
    const text = writeReceipt(receipt);
    expect(parseReceipt(text, "x")).toEqual(receipt);
    expect(writeReceipt(parseReceipt(text, "x"))).toBe(text);
  });

  test("of a dense model from a folder without a card reads back", () => {
    const full = nemotronReceipt();
    const receipt: Receipt = {
      ...full,
      base: { id: null, name: "my model", revision: "sha256:abc", inherited: {} },
      model: {
        ...full.model,
        experts: null,
        layers: [{ mixer: "attention", mlp: "dense", count: 2 }],
        contextLength: null,
      },
      repository: full.name,
      verifiedBase: null,
    };
    expect(parseReceipt(writeReceipt(receipt), "x")).toEqual(receipt);
    const verified = { ...receipt, verifiedBase: full.verifiedBase };
    expect(() => writeReceipt(verified)).toThrow("expected null, for the base was a folder");
  });

  test("of an engine that did not verify the base's bytes yet reads as unverified", () => {
    const { verifiedBase: _, ...old } = nemotronReceipt();
    expect(parseReceipt(JSON.stringify(old), "x").verifiedBase).toBeNull();
  });

  test("is the same text for any order of its keys, and ends with one newline", () => {
    const receipt = nemotronReceipt();
    const turned = Object.fromEntries(Object.entries(receipt).reverse()) as unknown as Receipt;
    const files = Object.fromEntries(Object.entries(receipt.files).reverse());
    const text = writeReceipt(receipt);
    expect(writeReceipt({ ...turned, files })).toBe(text);
    expect(text).toMatch(/^\{\n {2}"format": 1,\n {2}"engine": \{/);
    expect(text).toMatch(/[^\n]\n$/);
  });
});

describe("BAD_INPUT names the field", () => {
  const hash = "0".repeat(64);
  test.each([
    ["engine", null, "engine"],
    ["engine/name", "other", "engine.name"],
    ["engine/version", "0.1.0 -->", "engine.version"],
    ["engine/kernelSha256", "abc", "engine.kernelSha256"],
    ["base/id", "a/b/c", "base.id"],
    ["base/id", "../x", "base.id"],
    ["base/name", 3, "base.name"],
    ["base/revision", undefined, "base.revision"],
    ["base/inherited", [], "base.inherited"],
    ["base/inherited/license", ["mit"], "base.inherited.license"],
    ["base/inherited/tags", ["a", 1], "base.inherited.tags[1]"],
    ["model/parameters", -1, "model.parameters"],
    ["model/parameters", 1.5, "model.parameters"],
    ["model/parameters", 2 ** 53, "model.parameters"],
    ["model/layers", [{ mixer: "attention", mlp: "a | b", count: 1 }], "model.layers[0].mlp"],
    ["model/layers", [{ mixer: null, mlp: "moe", count: -1 }], "model.layers[0].count"],
    ["model/experts", { routed: 4, perToken: 2 }, "model.experts.shared"],
    ["model/contextLength", "long", "model.contextLength"],
    ["model/tiedHead", 0, "model.tiedHead"],
    ["options/method", "better", "options.method"],
    ["options/method", "tuned", "options.propagation"],
    ["options/propagation", "reference", "options.propagation"],
    ["options/floors", undefined, "options.floors"],
    ["options/floors", { head: 7 }, "options.floors.head"],
    ["options/floors", { "<b>": 8 }, "options.floors.<b>"],
    ["options/domainWeights", { "<b>": 1 }, "options.domainWeights.<b>"],
    ["options/proxy", "/home/me/model", "options.proxy"],
    ["options/sensitivity", "abc", "options.sensitivity"],
    ["options/rounding", "best", "options.rounding"],
    ["options/policy", "a b", "options.policy"],
    ["options/storage", "I8", "options.storage"],
    ["repository", "https://example.org/x", "repository"],
    ["repository", "acme/other-oQ4e", "name"],
    ["name", "../up", "name"],
    ["plan/tier", "oQ9e", "name"],
    ["plan/bpw", "4.7", "plan.bpw"],
    ["plan/bpw", -1, "plan.bpw"],
    ["plan/bytes", null, "plan.bytes"],
    ["plan/predicted", undefined, "plan.predicted"],
    ["plan/predicted", { kl: 1 }, "plan.predicted.forcedKl"],
    ["plan/modules", "none", "plan.modules"],
    ["plan/modules/lm_head", { bits: 7, groupSize: 64 }, "plan.modules.lm_head.bits"],
    ["plan/modules/lm_head", { bits: 8, groupSize: 63 }, "plan.modules.lm_head.groupSize"],
    ["unquantized", { x: 1 }, "unquantized.x"],
    ["series", {}, "series"],
    ["series", [], "series"],
    ["series", [null], "series[0]"],
    ["weightError", { relative: null }, "weightError.relative"],
    ["configNotes", "x", "configNotes"],
    ["warnings", ["two\nlines"], "warnings[0]"],
    ["warnings", ["x".repeat(5000)], "warnings[0]"],
    ["files", { "a.txt": { bytes: 1, sha256: "short" } }, "files.a.txt.sha256"],
    ["files", { __proto__: null, "a\u2028b": 3 }, "files.a b"],
    ["files", { "../a.txt": { bytes: 1, sha256: hash } }, "files.../a.txt"],
    ["files", { "a/../../b": { bytes: 1, sha256: hash } }, "files.a/../../b"],
    ["files", { "/etc/passwd": { bytes: 1, sha256: hash } }, "files./etc/passwd"],
    ["files", { "C:\\x": { bytes: 1, sha256: hash } }, "files.C:\\\\x"],
    ["files", { "a\nb": { bytes: 1, sha256: hash } }, "files.a\\nb"],
    ["files", { "a//b": { bytes: 1, sha256: hash } }, "files.a//b"],
    ["files", { "": { bytes: 1, sha256: hash } }, "files."],
    ["files", { ".": { bytes: 1, sha256: hash } }, "files.."],
  ])("%s = %j", (path, value, field) => {
    const error = problem(changed(path, value));
    expect(error.code).toBe("BAD_INPUT");
    expect(error.message).toContain(`oqe-receipt.json: field "${field}" is `);
    expect(error.hint).not.toBe("");
  });
});

test.each([
  "format",
  "engine",
  "base",
  "model",
  "options",
  "calibration",
  "evaluationRows",
  "repository",
  "name",
  "plan",
  "unquantized",
  "series",
  "sensitivity",
  "weightError",
  "tuning",
  "evaluation",
  "otherTiers",
  "configNotes",
  "warnings",
  "files",
])("a receipt without %s is refused by name", (field) => {
  expect(problem(changed(field, undefined)).message).toContain(`field "${field}" is missing`);
});

test("a newer format names the engine that wrote it and the one that reads", () => {
  const newer = JSON.parse(changed("format", 2));
  newer.engine = { version: "7.8.9" };
  expect(problem(JSON.stringify(newer)).message).toBe(
    'oqe-receipt.json: field "format" is 2, written by oqe-publisher 7.8.9; ' +
      `oqe-publisher ${engine.version} reads format 1`,
  );
});

test.each(["", "{", "null", "[]", "3", '"x"'])("%j is not a receipt", (text) => {
  expect(problem(text)).toMatchObject({
    code: "BAD_INPUT",
    message: expect.stringContaining("oqe-receipt.json"),
  });
});

test("a value nested too deeply to be quoted is still an error about its field", () => {
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const text = changed("name", null).replace('"name":null', `"name":${deep}`);
  expect(problem(text).message).toMatch(/^oqe-receipt\.json: field "name" is .{1,80}; expected /);
});

test("a fault quotes a short value, on one line", () => {
  const { message } = problem(changed("name", `\u2028::error::${"x".repeat(500)}`));
  expect(message).toMatch(/^oqe-receipt\.json: field "name" is " ::error::x{60,70}…; expected /);
});

test("keys of Object.prototype are ordinary keys", () => {
  const text = changed("unquantized", null).replace(
    '"unquantized":null',
    '"unquantized":{"__proto__":"a","constructor":"b"}',
  );
  const { unquantized } = parseReceipt(text, "x");
  expect(Object.entries(unquantized)).toEqual([
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
  expect(
    problem(changed("engine", { __proto__: null, kernelSha256: "0".repeat(64), version: "1" }))
      .message,
  ).toContain("engine.name");
});
