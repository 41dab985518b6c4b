import { describe, expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { makeSensitivity } from "../../test/support/sensitivities.ts";
import { expandTable } from "../models/expand.ts";
import { findArchitecture } from "../models/registry.ts";
import { requireContrast, requireOrigin } from "../plan/sensitivity-check.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import { parseSensitivity, writeSensitivity } from "./sensitivity-file.ts";

const tensors = expandTable(findArchitecture(nemotron30b), nemotron30b).map((tensor) => ({
  ...tensor,
  dtype: "BF16",
}));
const sensitivity = makeSensitivity(tensors, {
  experts: [
    {
      layer: 1,
      share: [
        [0.5, 0.5],
        [1, 0],
      ],
      gate: [
        [0.5, 0.5],
        [1, 0],
      ],
      damage: [
        [0.1, 0],
        [0.2, 0.3],
      ],
    },
  ],
  critical: [{ domain: "code", layer: 1, expert: 0, share: 0.5, damage: 0.1 }],
  check: [{ module: "lm_head", bits: 4, predicted: 0.01, tuned: 0.011 }],
});
const text = writeSensitivity(sensitivity);

/** The text with one field changed; `path` by slashes. */
function changed(path: string, value: unknown): string {
  const root = JSON.parse(text);
  const names = path.split("/");
  const last = names.pop()!;
  const holder = names.reduce((object, name) => object[name], root);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return JSON.stringify(root);
}

const refused = (message: RegExp) =>
  expect.objectContaining({ code: "BAD_SENSITIVITY", message: expect.stringMatching(message) });

describe("a sensitivity file", () => {
  test("contains the sensitivity to the last digit", () => {
    expect(parseSensitivity(text, "m.json")).toEqual(sensitivity);
  });

  test.each<[string, unknown, RegExp]>([
    ["format", 2, /^m\.json: field "format" is 2; expected 1$/],
    ["engine/kernelSha256", "abc", /"engine\.kernelSha256"/],
    ["base/revision", undefined, /"base\.revision" is missing/],
    ["base", "x", /"base" is "x"; expected an object/],
    ["domains", ["code", "code\n"], /"domains\[1\]"/],
    ["domainWeights", [1], /"domainWeights" is \[1\]; expected 2 numbers/],
    ["together/flipPower", -1, /"together\.flipPower" is -1/],
    ["together/freeKl", null, /"together\.freeKl"/],
    ["tensors", {}, /"tensors" is {}; expected a list/],
    ["tensors", [], /all zeros/],
    ["tensors/1/module", "backbone.embeddings", /"tensors\[1\]\.module"/],
    ["tensors/3/widths/2/forcedKl", "0.1", /"tensors\[3\]\.widths\[2\]\.forcedKl"/],
    ["tensors/3/widths/2/bits", 4, /"tensors\[3\]\.widths"/],
    ["tensors/3/layer", -1, /"tensors\[3\]\.layer"/],
    ["experts/0/damage", [[1], [1, 2]], /"experts\[0\]\.damage"/],
    ["critical/0/domain", "__proto__", /"critical\[0\]\.domain"/],
  ])("with %s = %j is refused by name", (path, value, says) => {
    expect(() => parseSensitivity(changed(path, value), "m.json")).toThrow(refused(says));
  });

  test.each(["", "[", "NaN", "null", "[1]", '{"format":1}', `${"[".repeat(100_000)}`])(
    "%.20j is none",
    (other) => {
      expect(() => parseSensitivity(other, "m.json")).toThrow(refused(/^m\.json/));
    },
  );

  test("with equal costs is refused", () => {
    const flat = sensitivity.tensors.map((tensor) => ({
      ...tensor,
      widths: tensor.widths.map((width) => ({ ...width, forcedKl: 0.5 })),
    }));
    expect(() => parseSensitivity(changed("tensors", flat), "m.json")).toThrow(refused(/flat/));
  });
});

test("too many tensors are refused before any is read", () => {
  const many = Array.from({ length: 65_537 }, () => 0);
  expect(() => parseSensitivity(changed("tensors", many), "m.json")).toThrow(
    refused(/"tensors" is .*; expected a list of at most 65536 items$/),
  );
});

test("as many flat tensors as a file may have are refused as flat", () => {
  const [tensor] = sensitivity.tensors;
  const many = Array.from({ length: 65_536 }, () => tensor!);
  expect(() => requireContrast({ ...sensitivity, tensors: many })).toThrow(refused(/flat/));
});

describe("a sensitivity of something else", () => {
  const { engine, base } = sensitivity;
  test.each<[string, Partial<Sensitivity>, RegExp]>([
    [
      "state of the base",
      { base: { ...base, revision: "other" } },
      /is of base made-up at other, not made-up at main/,
    ],
    [
      "base",
      { base: { ...base, name: "other", revision: "other" } },
      /is of base other at other, not made-up at main/,
    ],
    [
      "engine",
      { engine: { ...engine, recipe: 9 } },
      /is of engine oqe-publisher with recipe version 9, not oqe-publisher with recipe version 1/,
    ],
  ])("%s is refused by name", (_, changes, says) => {
    expect(() => requireOrigin({ ...sensitivity, ...changes }, sensitivity)).toThrow(refused(says));
  });

  test("another version of the package, with another kernel, gives the same bytes", () => {
    const version = { ...engine, version: "9.9.9", kernelSha256: "f".repeat(64) };
    expect(() => requireOrigin({ ...sensitivity, engine: version }, sensitivity)).not.toThrow();
  });

  test("the same base under another name is accepted", () => {
    const copy = { ...sensitivity, base: { ...base, name: "copy" } };
    expect(() => requireOrigin(copy, sensitivity)).not.toThrow();
  });
});
