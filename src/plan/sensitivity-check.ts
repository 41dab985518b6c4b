import { OqeError } from "../ground/errors.ts";
import type { Sensitivity } from "./sensitivity-types.ts";

/** Costs, or costs per byte, count as equal when they differ by less than this share. */
const flatness = 1e-6;

const again = "Measure again. A plan is never made from it.";

/**
 * Throws BAD_SENSITIVITY for costs that are not finite, negative, all zero, or equal for every
 * tensor.
 */
export function requireContrast({ tensors, together }: Sensitivity): void {
  const numbers = [together.forcedKl, together.freeKl, together.flipPower];
  const all = [
    ...numbers,
    ...tensors.flatMap(({ widths }) =>
      widths.flatMap((width) => [width.forcedKl, width.flipPower]),
    ),
  ];
  const odd = all.find((value) => !Number.isFinite(value) || value < 0);
  if (odd !== undefined) throw refuse(`contains a cost of ${odd}`);
  const forcedKl = tensors.map(({ widths }) => widths[0]?.forcedKl ?? 0);
  if (forcedKl.every((cost) => cost === 0)) throw refuse("is all zeros");
  const perByte = tensors.map(({ widths }, i) => forcedKl[i]! / (widths[0]?.bytes ?? 1));
  if (tensors.length > 1 && (isFlat(forcedKl) || isFlat(perByte)))
    throw refuse("is flat: every weight has the same cost");
}

function isFlat(values: readonly number[]): boolean {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return most - least <= flatness * most;
}

function refuse(what: string): OqeError {
  return new OqeError("BAD_SENSITIVITY", `the sensitivity ${what}`, again);
}

/** The engine and the base that a sensitivity must come from. */
export interface Origin {
  readonly engine: Sensitivity["engine"];
  readonly base: Sensitivity["base"];
}

/**
 * Throws BAD_SENSITIVITY for a sensitivity of another state of the base, or of an engine that gives
 * other bytes.
 */
export function requireOrigin({ engine, base }: Sensitivity, expected: Origin): void {
  const compare = (what: string, got: string, wanted: string) => {
    if (got !== wanted) throw refuse(`is of ${what} ${got}, not ${wanted}`);
  };
  // A copy under another name is the same base.
  if (base.revision !== expected.base.revision) {
    const nameOf = ({ name, revision }: Sensitivity["base"]) => `${name} at ${revision}`;
    throw refuse(`is of base ${nameOf(base)}, not ${nameOf(expected.base)}`);
  }
  const nameOf = (one: Sensitivity["engine"]) => `${one.name} with recipe version ${one.recipe}`;
  compare("engine", nameOf(engine), nameOf(expected.engine));
}
