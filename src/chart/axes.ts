import { letter } from "./labels.ts";
import { colors } from "./palette.ts";
import type { Scale } from "./scales.ts";

const words = { color: colors.muted.light, fontSize: letter, fontFamily: "sans-serif" };

/** Settings of all axes. */
export const plainAxis = {
  nameTextStyle: words,
  axisLine: { lineStyle: { color: colors.border.light } },
  axisTick: { show: false },
  axisLabel: words,
  splitLine: { lineStyle: { color: colors.rule.light } },
};

/** An axis from 0 to 1 with the ticks of `scale` instead of the library's. */
export function scaleAxis({ ticks }: Scale, more: Record<string, unknown> = {}) {
  const customValues = ticks.map(({ at }) => at);
  const formatter = (_: unknown, index: number) => ticks[index]?.label ?? "";
  return {
    ...plainAxis,
    type: "value",
    min: 0,
    max: 1,
    interval: 1,
    axisTick: { show: false, customValues },
    axisLabel: { ...words, customValues, formatter },
    ...more,
  };
}

/** An axis of names that labels each of them. */
export function nameAxis(names: readonly string[], more: Record<string, unknown> = {}) {
  return {
    ...plainAxis,
    type: "category",
    data: names,
    axisLine: { show: false },
    splitLine: { show: false },
    axisLabel: { ...words, interval: 0 },
    ...more,
  };
}

/** An axis of ascending numbers, about `most` of which are labelled. */
export function numberAxis(
  numbers: readonly number[],
  most: number,
  more: Record<string, unknown> = {},
) {
  const every =
    [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128].find(
      (step) => numbers.length / step <= most,
    ) ?? 256;
  return nameAxis(numbers.map(String), {
    axisLabel: { ...words, interval: (index: number) => index % every === 0 },
    ...more,
  });
}
