import { byteSize, grouped } from "../ground/digits.ts";

/**
 * How the card writes numbers. Templates only place the strings: jinja has neither `round` nor `%`.
 */

export { grouped };

/** Bytes in units of 10^9, without the unit. */
export function gigabytes(bytes: number): string {
  return size(bytes / 1e9);
}

/** `33.56 GB`; of a test model `5.4 MB`, for three zeros say nothing. */
export function sizeOf(bytes: number): string {
  return bytes < 1e8 ? byteCount(bytes) : `${gigabytes(bytes)} GB`;
}

/** Bytes in units of 2^30, without the unit. */
export function gibibytes(bytes: number): string {
  return size(bytes / 2 ** 30);
}

/** Two decimals, or three digits below one unit. */
function size(units: number): string {
  return units >= 1 || units === 0 ? units.toFixed(2) : units.toPrecision(3);
}

/**
 * `31.6 B`, `7.5 M`, `12.3 k`, `640`: one decimal. The unit is chosen after rounding, so 999.96 M
 * is 1.0 B.
 */
export function parameterCount(count: number): string {
  const units: readonly (readonly [number, string])[] = [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ];
  for (const [size, unit] of units) {
    const tenthsBelow = Math.round((count / size) * 1e4); // tenths of the next smaller unit
    if (tenthsBelow >= 1e4) return `${(count / size).toFixed(1)} ${unit}`;
  }
  return count.toFixed(0);
}

/** `11.3 %` of a whole; `0.0 %` of nothing. */
export function percentage(part: number, whole: number): string {
  return `${whole === 0 ? "0.0" : ((100 * part) / whole).toFixed(1)} %`;
}

export function bitsPerWeight(bpw: number): string {
  return bpw.toFixed(2);
}

/**
 * A relative squared error three ways: the ratio itself, its root (relative RMS error) and the
 * signal-to-noise ratio 10 log10(1 / ratio) in decibels.
 */
export function squaredError(relative: number): string {
  if (relative === 0) return "0 (every weight is exact)";
  const root = (100 * Math.sqrt(relative)).toPrecision(3);
  return (
    `${relative.toExponential(2)} (RMS ${root} %, ` +
    `${(-10 * Math.log10(relative)).toFixed(1)} dB)`
  );
}

/** A ratio of losses, `0.352`; 1 means no difference. */
export function lossRatio(ratio: number): string {
  return ratio.toPrecision(3);
}

/** A median of counts: a whole number, or half-way between two. */
export function median(count: number): string {
  return `${grouped(Math.floor(count))}${Number.isInteger(count) ? "" : ".5"}`;
}

/** `1 tensor`, `3 tensors`. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `640 bytes`, `12.3 kB`, `40.1 MB`, on one line. */
export function byteCount(bytes: number): string {
  return byteSize(bytes).replace(" ", "\u00a0");
}
