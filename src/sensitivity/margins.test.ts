import { expect, test } from "vitest";
import { sharedFloats, sharedIntegers } from "../kernel/matrix.ts";
import type { Routing } from "../models/routing.ts";
import { addMargins, boundaryOf, growthOf } from "./margins.ts";

const tokens = 4096;

type OfToken = (token: number) => number;

/** One router of two experts. Expert 0 is chosen, leads by `margin` and has a weight. */
function routingOf(margin: OfToken, weight: OfToken = () => 1): Routing {
  const scores = sharedFloats(2 * tokens);
  const [experts, weights] = [sharedIntegers(2 * tokens), sharedFloats(tokens)];
  for (let token = 0; token < tokens; token++) {
    scores[2 * token] = margin(token);
    experts[2 * token + 1] = 1;
    weights[token] = weight(token);
  }
  return {
    ...{ tokens, perToken: 1, candidates: 2, routed: 2, experts, scores },
    ...{ selection: scores, weights },
  };
}

/** Growth where all margins change by `change`. */
function growth(margin: OfToken, change: number, weight?: (margin: number) => number): number {
  const at = (token: number) => margin((token + 0.5) / tokens);
  const own = weight && ((token: number) => weight(at(token)));
  const boundary = boundaryOf(routingOf(at, own), new Float64Array(tokens).fill(1));
  const probe = { flipPower: 0, flips: { whole: 0, small: 0 } };
  addMargins(
    boundary,
    routingOf((token) => at(token) - change),
    [probe],
  );
  expect(probe.flips.whole).toBeGreaterThan(probe.flips.small);
  return growthOf(probe.flips);
}

test("flips grow with the root of their power where tokens lie evenly over margins", () => {
  expect(growth((share) => share, 0.25)).toBeCloseTo(0.5, 2);
});

test("flips grow less where most tokens have small margins", () => {
  // The share below a margin m is √m, so flips are the fourth root of their power.
  expect(growth((share) => share ** 2, 0.25)).toBeCloseTo(0.25, 2);
  // An error beyond all margins flips all tokens, and cannot flip more.
  expect(growth((share) => share, 2)).toBeCloseTo(0.375, 2);
});

test("flips grow more where small margins come with small weights", () => {
  // Each counts by the root of its margin, so the sum grows with its power of 3/2.
  expect(
    growth(
      (share) => share,
      0.25,
      (margin) => margin ** 0.25,
    ),
  ).toBeCloseTo(0.75, 2);
});

test("without flips, their growth is that of even margins", () => {
  expect(growthOf({ whole: 0, small: 0 })).toBe(0.5);
  expect(growthOf({ whole: 1, small: 0 })).toBe(0.5);
});
