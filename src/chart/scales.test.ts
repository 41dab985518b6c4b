import { expect, test } from "vitest";
import { linearScale, logScale, type Scale } from "./scales.ts";

function expectSound(scale: Scale, values: readonly number[]): void {
  expect(scale.ticks.length).toBeGreaterThan(0);
  expect(scale.ticks.length).toBeLessThanOrEqual(13);
  const places = [...scale.ticks.map(({ at }) => at), ...values.map(scale.place)];
  for (const at of places) expect(at >= 0 && at <= 1, `${at}`).toBe(true);
  expect(new Set(scale.ticks.map(({ label }) => label)).size).toBe(scale.ticks.length);
}

test.each([
  [[1]],
  [[0]],
  [[0.1, 0.2, 0.30000000000000004]],
  [[1, 1.0000001]],
  [[1e9, 1e9 + 1]],
  [[1e-9, 1e12]],
  [[0, 1e300]],
])("a linear scale holds %j", (values) => {
  expectSound(linearScale(values), values);
});

test("a linear scale has round ticks, each at the place of its number", () => {
  const scale = linearScale([18.6, 33.6]);
  expect(scale.ticks.map(({ label }) => label)).toEqual(["15", "20", "25", "30", "35"]);
  for (const { at, label } of scale.ticks) expect(scale.place(Number(label))).toBeCloseTo(at, 12);
});

test.each([[[1]], [[0.03]], [[1e-9, 1e3]], [[1e-300, 1e300]], [[0.1, 0.1000001]]])(
  "a logarithmic scale holds %j",
  (values) => {
    expectSound(logScale(values), values);
  },
);

test("a logarithmic scale has its ticks at the places of their numbers", () => {
  const scale = logScale([0.0007, 0.03]);
  expect(scale.ticks.map(({ label }) => label)).toEqual(
    ["0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05"], // from 0.0003 to 0.064
  );
  for (const { at, label } of scale.ticks) expect(scale.place(Number(label))).toBeCloseTo(at, 12);
});
