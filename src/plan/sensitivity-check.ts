import { OqeError } from "../ground/errors.ts";
import type { Sensitivity } from "./sensitivity-types.ts";

/**
 * Prices per byte, and prices, that differ by less than this share are the same: a map of them says
 * nothing.
 */
const flatness = 1e-6;

const again = "Measure again. A plan is never made from it.";

/**
 * Throws BAD_MEASUREMENT for prices that are not finite or negative, all zero, or the same for
 * every tensor.
 */
export function requireContrast({ tensors, together }: Sensitivity): void {
  const numbers = [together.forcedKl, together.freeKl, together.flip];
  const all = [
    ...numbers,
    ...tensors.flatMap(({ widths }) => widths.flatMap((width) => [width.smooth, width.flip])),
  ];
  const odd = all.find((value) => !Number.isFinite(value) || value < 0);
  if (odd !== undefined) throw refuse(`holds a price of ${odd}`);
  const smooth = tensors.map(({ widths }) => widths[0]?.smooth ?? 0);
  if (smooth.every((price) => price === 0)) throw refuse("is all zeros");
  const perByte = tensors.map(({ widths }, i) => smooth[i]! / (widths[0]?.bytes ?? 1));
  if (tensors.length > 1 && (isFlat(smooth) || isFlat(perByte)))
    throw refuse("is flat: every weight has the same price");
}

function isFlat(values: readonly number[]): boolean {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return most - least <= flatness * most;
}

function refuse(what: string): OqeError {
  return new OqeError("BAD_MEASUREMENT", `the sensitivity ${what}`, again);
}

/** What a measurement has to be of. */
export interface Origin {
  readonly engine: Sensitivity["engine"];
  readonly base: Sensitivity["base"];
}

/**
 * Throws BAD_MEASUREMENT for one of another state of the base, another engine or another kernel:
 * prices and tuned errors would not fit.
 */
export function requireOrigin({ engine, base }: Sensitivity, expected: Origin): void {
  const compare = (what: string, got: string, wanted: string) => {
    if (got !== wanted) throw refuse(`is of ${what} ${got}, not ${wanted}`);
  };
  compare(
    "base",
    `${base.name} at ${base.revision}`,
    `${expected.base.name} at ${expected.base.revision}`,
  );
  compare(
    "engine",
    `${engine.name} ${engine.version}`,
    `${expected.engine.name} ${expected.engine.version}`,
  );
  compare("kernel", engine.kernelSha256, expected.engine.kernelSha256);
}
