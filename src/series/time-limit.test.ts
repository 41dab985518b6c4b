import { expect, test } from "vitest";
import { TimeLimit } from "./time-limit.ts";

test("the time is up when another block as long as the longest would end too late", () => {
  let now = 5;
  const limit = new TimeLimit(100, undefined, () => now);
  const after = (seconds: number) => {
    now += seconds;
    return limit.isUp();
  };
  expect([after(30), after(10), after(20), after(10)]).toEqual([false, false, false, true]);
});

test("it is up when the user asked the run to stop, limit or not", () => {
  let isStopped = false;
  const limit = new TimeLimit(null, () => isStopped);
  expect(limit.isUp()).toBe(false);
  isStopped = true;
  expect(limit.isUp()).toBe(true);
});

test("without a limit it is never up", () => {
  expect(new TimeLimit(null, undefined, () => 1e9).isUp()).toBe(false);
});
