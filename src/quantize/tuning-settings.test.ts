import { expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { shapedBase } from "../../test/support/shaped-base.ts";
import { gateRowsOf, treatmentOf, tuningSettings } from "./tuning-settings.ts";

const { tensors } = shapedBase(nemotron30b);
const expert = tensors.find(({ role }) => role.routed === true)!;
const dense = tensors.find(({ role }) => role.kind === "linear" && role.routed !== true)!;

test("only routed experts that saw few tokens have a window and fewer sweeps", () => {
  const of = (share: number, tensor = expert) => treatmentOf(tuningSettings, tensor, { share });
  const whole = { sweeps: tuningSettings.sweeps, routerAware: true };
  expect(of(0.5)).toEqual(whole);
  expect(of(0.9, dense)).toEqual(whole);
  expect(treatmentOf(tuningSettings, expert, null)).toEqual(whole);
  const few = of(0.51);
  expect(few).toMatchObject({ window: 512, routerAware: true });
  expect([4, 5, 6, 8].map((bits) => few.sweeps({ bits, groupSize: 64 } as never))).toEqual([
    2, 2, 0, 0,
  ]);
});

test("a setting leaves the directions of routers out there, and nowhere else", () => {
  const settings = { ...tuningSettings, fewTokenDirections: false };
  const of = (share: number, tensor = expert) => treatmentOf(settings, tensor, { share });
  expect([of(0.51), of(0.5), of(0.9, dense)].map(({ routerAware }) => routerAware)).toEqual([
    false,
    true,
    true,
  ]);
});

test("router gates are fitted where their columns are few for the text", () => {
  const rows = (samples: number, length: number, columns: number) =>
    gateRowsOf(tuningSettings, { samples, length }, columns);
  expect(rows(128, 256, 192)).toBe(32);
  expect(rows(128, 256, 1024)).toBe(32);
  expect(rows(128, 256, 1025)).toBe(0);
  expect(rows(128, 256, 2688)).toBe(0);
  expect(rows(6, 256, 192)).toBe(6);
  expect(rows(5, 256, 192)).toBe(0);
});
