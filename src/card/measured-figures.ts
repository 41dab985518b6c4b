import { decimal, threeDigits } from "../ground/digits.ts";

/** How cards write measured figures. */

const least = 1e-6;

/** Nats: three significant digits, `0.0144`. */
export const nats = threeDigits;

/**
 * `0.0144 ± 0.0005`: the mean has three significant digits. The error has as many decimals, or as
 * many as its first digit needs.
 */
export function estimate(mean: number, error: number | null): string {
  if (error === null) return nats(mean);
  if (mean === 0 || Math.abs(mean) < least) return `${nats(mean)} ± ${nats(error)}`;
  const places = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(mean))));
  const needed = error > 0 ? Math.min(9, Math.max(places, -Math.floor(Math.log10(error)))) : places;
  return `${mean.toFixed(needed)} ± ${error.toFixed(needed)}`;
}

/** A ratio near 1, `1.0144 ± 0.0007`. */
export function ratio(value: number, error: number | null): string {
  return error === null ? value.toFixed(4) : `${value.toFixed(4)} ± ${error.toFixed(4)}`;
}

/** A share, `97.62 %`. A share below 1 is never shown as 100 %. */
export function share(part: number): string {
  const text = (100 * part).toFixed(2);
  return `${part < 1 && text === "100.00" ? "> 99.99" : text} %`;
}

/** A small share to two significant digits, `0.021 %`. */
export function smallShare(part: number): string {
  return `${part === 0 ? "0" : decimal(100 * part, 2)} %`;
}
