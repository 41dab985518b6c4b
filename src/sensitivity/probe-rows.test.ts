import { expect, test } from "vitest";
import type { Rows } from "../calibration/rows.ts";
import { sharedIntegers } from "../kernel/matrix.ts";
import { probeRowsOf } from "./probe-rows.ts";

const length = 8;
const domains = ["code", "code", "code", "code", "prose", "prose", "prose", "prose"];
const tokens = length * domains.length;
/** A token's id is its number among all tokens. */
const ids = sharedIntegers(tokens);
for (const i of ids.keys()) ids[i] = i;
const rows: Rows = {
  ids,
  length,
  samples: domains.length,
  rows: domains.map((domain) => ({ domain })),
  domains: { code: 4, prose: 4 },
  tokens,
  sha256: "0".repeat(64),
};
const rowNumbers = (some: Uint32Array) =>
  [...some].filter((id) => id % length === 0).map((id) => id / length);

test("probe rows are evenly spread over each domain, and Hessians see the other rows", () => {
  const probe = probeRowsOf(rows, { samples: 4, longest: 128 }, {});
  expect(rowNumbers(probe.ids)).toEqual([0, 2, 4, 6]);
  expect(rowNumbers(probe.others)).toEqual([1, 3, 5, 7]);
  expect([...probe.domainOf.slice(14, 18)]).toEqual([0, 0, 1, 1]);
  expect([...probe.compared].slice(0, 3)).toEqual([3, 7, 11]);
});

test("Hessians see all rows if the others are fewer than the probe rows", () => {
  const probe = probeRowsOf(rows, { samples: 6, longest: 128 }, {});
  expect(rowNumbers(probe.ids)).toEqual([0, 1, 2, 4, 5, 6]);
  expect(rowNumbers(probe.others)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("more rows are neither probe rows nor those of Hessians, and at most a third of these", () => {
  const probe = probeRowsOf(rows, { samples: 2, longest: 128, more: 4 }, { code: 3 });
  expect(rowNumbers(probe.ids)).toEqual([0, 4]);
  expect(rowNumbers(probe.more)).toEqual([1, 5]); // a third of six
  expect(rowNumbers(probe.others)).toEqual([2, 3, 6, 7]);
  expect([...probe.jointWeights].filter((_, token) => token % length === 0)).toEqual([
    1.5, 0.5, 1.5, 0.5,
  ]);
  const most = { samples: 4, longest: 128, more: 8 };
  expect(probeRowsOf(rows, most, {}).more.length).toBe(0); // one row is less than one a domain
});

test("every domain has a probe row, and weights have mean 1", () => {
  const probe = probeRowsOf(rows, { samples: 1, longest: 128 }, { code: 3 });
  expect(rowNumbers(probe.ids)).toEqual([0, 4]);
  expect(probe.domainWeights).toEqual([1.5, 0.5]);
  expect([...probe.weights.slice(7, 9)]).toEqual([1.5, 0.5]);
  expect(probeRowsOf(rows, { samples: 1, longest: 128 }, { prose: 0 }).domainWeights).toEqual([
    2, 0,
  ]);
});

test("a probe row is the first tokens of a calibration row", () => {
  const probe = probeRowsOf(rows, { samples: 2, longest: 5 }, {});
  expect([...probe.ids]).toEqual([0, 1, 2, 3, 4, 32, 33, 34, 35, 36]);
  expect(probe.length).toBe(5);
});
