import { describe, expect, test } from "vitest";
import {
  gibibytes,
  gigabytes,
  grouped,
  parameterCount,
  percentage,
  plural,
  squaredError,
} from "./figures.ts";

describe("figures", () => {
  test.each([
    [33_559_877_504, "33.56", "31.26"],
    [25_958_514_560, "25.96", "24.18"],
    [22_286_663_552, "22.29", "20.76"],
    [18_563_676_032, "18.56", "17.29"],
    [1_073_741_824, "1.07", "1.00"],
    [100_000_000, "0.100", "0.0931"],
    [4_475_836, "0.00448", "0.00417"],
    [0, "0.00", "0.00"],
  ])("%d bytes are %s GB and %s GiB", (bytes, gb, gib) => {
    expect([gigabytes(bytes), gibibytes(bytes)]).toEqual([gb, gib]);
  });

  test.each([
    [31_577_940_288, "31.6 B"],
    [7_537_114, "7.5 M"],
    [999_960_000, "1.0 B"],
    [999_940_000, "999.9 M"],
    [960_000_000, "960.0 M"],
    [350_000, "350.0 k"],
    [640, "640"],
    [0, "0"],
    [1.5e12, "1.5 T"],
  ])("%d parameters are %s", (count, expected) => {
    expect(parameterCount(count)).toBe(expected);
  });

  test.each([
    [0, "0"],
    [999, "999"],
    [1000, "1,000"],
    [31_577_940_288, "31,577,940,288"],
  ])("%d is grouped as %s", (count, expected) => {
    expect(grouped(count)).toBe(expected);
  });

  test("percentages, errors and plurals", () => {
    expect(percentage(3_580_000_000, 31_577_940_288)).toBe("11.3 %");
    expect(percentage(0, 0)).toBe("0.0 %");
    expect(squaredError(0.01)).toBe("1.00e-2 (RMS 10.0 %, 20.0 dB)");
    expect(squaredError(0)).toBe("0 (every weight is exact)");
    expect([plural(1, "token"), plural(2000, "token")]).toEqual(["1 token", "2,000 tokens"]);
  });
});
