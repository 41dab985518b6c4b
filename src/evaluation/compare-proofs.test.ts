import { expect, test } from "vitest";
import { compareProofs, type Proof } from "./compare-proofs.ts";

const rows = { source: "bundled", sha256: "a".repeat(64), samples: 8, length: 64 };
const proof = (meanKl: number, meanKlError: number | null, of = rows): Proof => {
  return { rows: of, meanKl, meanKlError };
};

test.each([
  ["better", 0.01, "not worse"],
  ["equal", 0.02, "not worse"],
  ["higher, within the error", 0.0299, "not worse"],
  ["at the limit", 0.03, "not worse"],
  ["higher, beyond the error", 0.0301, "worse"],
])("a KL that is %s is %s", (_, kl, verdict) => {
  // e = √(0.003² + 0.004²) = 0.005; 0.02 + 2 e = 0.03
  const compared = compareProofs(proof(kl, 0.003), proof(0.02, 0.004));
  expect(compared.verdict).toBe(verdict);
  if (compared.verdict !== "not comparable") expect(compared.error).toBeCloseTo(0.005, 12);
});

test("without any error, a higher KL is worse and the same one is not", () => {
  expect(compareProofs(proof(0.02, 0), proof(0.02, 0)).verdict).toBe("not worse");
  expect(compareProofs(proof(0.020001, 0), proof(0.02, 0)).verdict).toBe("worse");
});

test.each([
  ["another text", proof(1, 0, { ...rows, sha256: "b".repeat(64) }), /different rows/],
  ["fewer rows", proof(1, 0, { ...rows, samples: 4 }), /different rows/],
  ["shorter rows", proof(1, 0, { ...rows, length: 32 }), /different rows/],
  ["one row, which has no error", proof(1, null), /no error/],
])("proofs are not comparable: %s", (_, fresh, why) => {
  const compared = compareProofs(fresh, proof(0.02, 0.004));
  expect(compared).toEqual({ verdict: "not comparable", why: expect.stringMatching(why) });
});

test("the name of the text does not matter, only its tokens", () => {
  const renamed = { ...rows, source: "datasets/a/b" };
  expect(compareProofs(proof(0.02, 0, renamed), proof(0.02, 0)).verdict).toBe("not worse");
});
