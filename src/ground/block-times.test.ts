import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { BlockTimes } from "./block-times.ts";

test("a block's line has its time, and when the last one will be reached", () => {
  const clock = manualClock();
  const times = new BlockTimes(6, clock.now);
  const behind = (seconds: number, layer: number, hasWorked?: boolean) => {
    clock.advance(1000 * seconds);
    return times.behind(layer, hasWorked);
  };
  expect(behind(5, 0, false)).toBe("block 1 of 6 (5 s)"); // an earlier run made it
  expect(behind(100, 1)).toBe("block 2 of 6 (2 min; block 6 in about 7 min)");
  expect(behind(300, 2)).toBe("block 3 of 6 (5 min; block 6 in about 10 min)");
  expect(behind(0.2, 3, false)).toBe("block 4 of 6 (block 6 in about 7 min)");
  expect(behind(400, 5)).toBe("block 6 of 6 (7 min)");
  expect(behind(20, 0)).toBe("block 1 of 6 (20 s; block 6 in about 2 min)"); // another walk
  expect(behind(0.3, 1)).toBe("block 2 of 6");
});
