import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { silentReport } from "../ground/report.ts";
import { createPatience, retryLimits } from "./patience.ts";
import { Watch } from "./watch.ts";

test("a body that reports its end after the attempt starts no clock again", () => {
  const clock = manualClock();
  const patience = createPatience(silentReport, clock);
  const watch = new Watch({ patience, what: "PUT http://hub/file", budget: retryLimits.lost });
  watch.answered();
  expect(clock.isAwaited()).toBe(true);
  watch.end();
  watch.sent();
  expect(clock.isAwaited()).toBe(false);
});
