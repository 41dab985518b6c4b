import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { OqeError } from "./errors.ts";
import {
  agree,
  amount,
  count,
  entries,
  line,
  list,
  object,
  oneOf,
  parse,
  pathInside,
  share,
} from "./schema.ts";

const document = { where: "a.json", code: "BAD_INPUT", hint: "Restore it." } as const;

/** What `parse` says of a value that it refuses. */
function fault(wanted: Parameters<typeof parse>[0], value: unknown): string {
  try {
    parse(wanted, value, document);
  } catch (error) {
    if (error instanceof OqeError) return error.message.replace(/^a\.json: /, "");
    throw error;
  }
  throw new Error("no error");
}

describe("a fault names field, value and expectation", () => {
  const tree = object({
    name: line,
    leaves: list(object({ size: count }), 3),
    kinds: entries(oneOf(["a"]), count),
  });
  test.each<[unknown, string]>([
    [null, "it is null; expected an object"],
    [[], "it is []; expected an object"],
    [{}, 'field "name" is missing; expected text of one line, at most 4096 characters'],
    [{ name: "x" }, 'field "leaves" is missing; expected a list'],
    [{ name: "x", leaves: {} }, 'field "leaves" is {}; expected a list'],
    [{ name: "x", leaves: [{}] }, 'field "leaves[0].size" is missing; expected a whole number'],
    [
      { name: "x", leaves: [{ size: 1 }, { size: -1 }] },
      'field "leaves[1].size" is -1; expected a whole number',
    ],
    [
      { name: "x", leaves: [1, 2, 3, 4] },
      'field "leaves" is [1,2,3,4]; expected a list of at most 3 items',
    ],
    [{ name: "x", leaves: [], kinds: { b: 1 } }, 'field "kinds.b" is 1; expected "a" as the key'],
    [
      { name: "x", leaves: [], kinds: { a: "1" } },
      'field "kinds.a" is "1"; expected a whole number',
    ],
  ])("%j", (value, says) => {
    expect(fault(tree, value)).toBe(says);
  });
});

describe("numbers", () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, -1e-9, "1", null, undefined, true, [1]])(
    "%j is no amount",
    (value) => {
      expect(fault(amount, value)).toContain("a number, not negative");
    },
  );
  test.each([1.5, 2 ** 53, Number.NaN, -1, "1"])("%j is no count", (value) => {
    expect(fault(count, value)).toContain("a whole number");
  });
  test.each([1.000001, -0.1, Number.NaN])("%j is no share", (value) => {
    expect(fault(share, value)).toContain("a number from 0 to 1");
  });
});

test.each(["../a", "a/../b", "/a", "C:\\a", "a\nb", "a//b", "", ".", "a/.", "x".repeat(5000)])(
  "%.20j is no path inside a folder",
  (path) => {
    expect(fault(pathInside, path)).toContain("a path inside the repository's folder");
  },
);

test("maps keep keys of Object.prototype, sorted, and objects drop unknown fields", () => {
  const map = parse(
    entries(line, count),
    JSON.parse('{"b":1,"__proto__":2,"constructor":3}'),
    document,
  );
  expect(Object.entries(map)).toEqual([
    ["__proto__", 2],
    ["b", 1],
    ["constructor", 3],
  ]);
  expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
  expect(parse(object({ a: count }), { b: 2, a: 1 }, document)).toEqual({ a: 1 });
});

test("a contradiction names its field by path", () => {
  const pair = object({ rows: list(count), total: count });
  const wanted = v.pipe(
    pair,
    agree(function* ({ rows, total }) {
      if (rows[1] !== total) yield { at: ["rows", 1], expected: `${total}, the total` };
    }),
  );
  expect(fault(wanted, { rows: [1, 2], total: 3 })).toBe(
    'field "rows[1]" is 2; expected 3, the total',
  );
});
