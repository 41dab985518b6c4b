import { describe, expect, test } from "vitest";
import { cronFault } from "./cron.ts";

describe("cronFault", () => {
  test.each([
    ...["17 3 * * 1", "*/5 * * * *", "0 0 * JAN-MAR/2 *", "30 4 1,15 * mon-FRI", "0 0 29 2 *"],
    ...["20/15 * * * *", "3-45/7 0-6 * * 0,6", "  5   4 * *  sun "],
  ])("takes %j", (text) => {
    expect(cronFault(text)).toBeNull();
  });

  test.each([
    ["", "expected five fields (minute, hour, day of the month, month, day of the week), got 0"],
    ["17 3 * *", "got 4"],
    ["0 17 3 * * 1", "got 6"],
    ["@weekly", "got 1"],
    ["60 3 * * *", 'minute: expected 0 to 59, got "60"'],
    ["0 24 * * *", 'hour: expected 0 to 23, got "24"'],
    ["0 0 0 * *", 'day of the month: expected 1 to 31, got "0"'],
    ["0 0 * 13 *", 'month: expected 1 to 12, got "13"'],
    ["0 0 * * 7", 'day of the week: expected 0 to 6, got "7"'],
    ["0 0 * * 1-7", 'day of the week: expected 0 to 6, got "1-7"'],
    ["0 0 * * MONDAY", "day of the week: expected *, numbers and names such as SUN, ranges with -"],
    ["0 0 * mon *", "month: expected *, numbers and names such as JAN"],
    ["0 0 L * *", "day of the month: expected *, numbers, ranges with -"],
    ["0 0 ? * *", "day of the month: expected *"],
    ["0 0 * * 1#2", "day of the week: expected *"],
    ["0,,1 * * * *", "minute: expected *"],
    ["5-1 * * * *", "from value is larger than to value: '5-1'"],
    ["5/61 * * * *", "steps cannot be greater"],
    ["*/0 * * * *", "illegal stepping: 0"],
    ["0 0 31 2 *", "there is no such day, so it never runs"],
  ])("refuses %j, and says why", (text, says) => {
    expect(cronFault(text)).toMatchObject({ level: "error", what: expect.stringContaining(says) });
  });

  test.each([
    ["* * * * *", 1],
    ["*/4 * * * *", 4],
    ["1,3 2 * * *", 2],
    ["59,0 * * * *", 1],
  ])("warns of %j, whose runs are %i min apart", (text, minutes) => {
    expect(cronFault(text)).toEqual({
      level: "warning",
      what: `runs ${minutes} min apart; GitHub starts one in 5 min at most`,
    });
  });
});
