import { expect, test } from "vitest";
import { parseRange } from "./ranges.ts";

test.each<[string | undefined, number, ReturnType<typeof parseRange>]>([
  [undefined, 10, null],
  ["bytes=0-0", 10, { start: 0, end: 1 }],
  ["bytes=0-9", 10, { start: 0, end: 10 }],
  ["bytes=0-10", 10, { start: 0, end: 10 }],
  ["bytes=9-", 10, { start: 9, end: 10 }],
  ["bytes=0-", 10, { start: 0, end: 10 }],
  ["bytes=-1", 10, { start: 9, end: 10 }],
  ["bytes=-10", 10, { start: 0, end: 10 }],
  ["bytes=-11", 10, { start: 0, end: 10 }],
  ["bytes=-0", 10, "unsatisfiable"],
  ["bytes=10-", 10, "unsatisfiable"],
  ["bytes=10-12", 10, "unsatisfiable"],
  ["bytes=0-0", 0, "unsatisfiable"],
  ["bytes=-1", 0, "unsatisfiable"],
  ["bytes=5-4", 10, null],
  ["bytes=-", 10, null],
  ["bytes=a-b", 10, null],
  ["bytes=0-1,3-4", 10, null],
  ["items=0-1", 10, null],
  ["bytes=0-99999999999999999999", 10, null],
])("%s of %i bytes", (header, size, expected) => {
  expect(parseRange(header, size)).toEqual(expected);
});
