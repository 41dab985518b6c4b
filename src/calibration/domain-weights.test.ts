import { describe, expect, test } from "vitest";
import { checkDomainWeights, parseDomainWeights } from "./domain-weights.ts";

const refused = (message: RegExp) =>
  expect.objectContaining({ code: "BAD_INPUT", message: expect.stringMatching(message) });

describe("weights of domains", () => {
  test("have the same order for any order of the words", () => {
    expect(parseDomainWeights("")).toEqual({});
    expect(Object.entries(parseDomainWeights(" ja=0.5,\ncode=2 "))).toEqual([
      ["code", 2],
      ["ja", 0.5],
    ]);
  });

  test.each([
    "code",
    "code=",
    "=2",
    "code=-1",
    "code=1e3",
    "code=NaN",
    "code=1001",
    "code=1,code=2",
    "a b=1",
    "code=2=3",
  ])("%j is refused", (text) => {
    expect(() => parseDomainWeights(text)).toThrow(refused(/^domain-weights: "/));
  });

  test("are checked against the domains of the text", () => {
    checkDomainWeights(parseDomainWeights("code=0"), ["code", "ja"]);
    expect(() => checkDomainWeights(parseDomainWeights("jp=2"), ["code", "ja"])).toThrow(
      refused(/no domain "jp"; the calibration text has code, ja$/),
    );
    expect(() => checkDomainWeights(parseDomainWeights("code=0,ja=0"), ["code", "ja"])).toThrow(
      refused(/no domain has/),
    );
    expect(() => checkDomainWeights(parseDomainWeights("__proto__=2"), ["code"])).toThrow(
      refused(/"__proto__"/),
    );
  });
});
