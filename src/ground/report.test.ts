import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { terminalReport } from "./report.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const percents = (calls: readonly (readonly [seconds: number, done: number])[]) => {
  const lines: string[] = [];
  const report = terminalReport((text) => lines.push(text));
  for (const [seconds, done] of calls) {
    vi.advanceTimersByTime(1000 * seconds);
    report.tick(done, 1000, "bytes");
  }
  return lines.map((line) => Number.parseInt(line, 10));
};

test("progress that was printed ends with 100 %, and begins anew", () => {
  const first = [
    [3, 500],
    [1, 900],
    [0, 1000],
    [0, 1000],
  ] as const;
  expect(percents(first)).toEqual([50, 100]);
  expect(percents([...first, [1, 100], [1, 200]])).toEqual([50, 100, 20]);
});

test("a stage that is over before its first line stays silent", () => {
  expect(
    percents([
      [1, 500],
      [0, 1000],
    ]),
  ).toEqual([]);
});
