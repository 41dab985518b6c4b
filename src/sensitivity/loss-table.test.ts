import { expect, test } from "vitest";
import { LossTable } from "./loss-table.ts";
import { probeIndex } from "./probe-width.ts";

const sums = (loss: number) => {
  const none = { roundedRows: 0, rows: 1, squaredError: 0, weightEnergy: 0, nonFinite: 0 };
  return { loss, roundedLoss: 2 * loss, ...none };
};

test("rows that were tuned at all widths correct the forecasts of all", () => {
  const losses = new LossTable();
  // Half of the forecast at 3 bits, all of it at the others.
  const forecast = { energy: 10, losses: [64, 16, 4, 1, 0.0625] };
  const tuned = [32, 16, 4, 1, 0.0625];
  losses.add({
    ...{ module: "sampled", matrix: 0, sums: sums(48) },
    forecast: { energy: 30, losses: forecast.losses.map((loss) => 3 * loss) },
    sample: { forecast, sums: tuned.map(sums) },
  });
  const other = { energy: 4, losses: [32, 8, 2, 0.5, 0.03125] };
  losses.add({ module: "other", matrix: 0, forecast: other, sums: sums(6), sample: null });
  expect(losses.correction()).toEqual([0.5, 1, 1, 1, 1]);
  // The loss at 4 bits is the actual one: 48 of 30, and 6 of 4.
  expect(losses.errors("sampled")[probeIndex]).toBe(1.6);
  expect(losses.errors("sampled")[0]).toBe(3.2);
  expect(losses.errors("other")).toEqual([3, 1.5, 0.375, 0.09375, 0.005859375]);
  const [first] = losses.checks(["sampled", "other"]);
  expect(first).toEqual({ module: "sampled", bits: 3, predicted: 3.2, tuned: 3.2 });
  expect(losses.checks(["other"])).toEqual([]);
});
