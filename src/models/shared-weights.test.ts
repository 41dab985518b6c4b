import { describe, expect, test } from "vitest";
import { sharedBytes } from "../kernel/matrix.ts";
import type { WeightSource } from "./run.ts";
import { SharedWeights } from "./shared-weights.ts";

/** Weights that record what is read. */
function recorded(): { source: WeightSource; reads: string[] } {
  const reads: string[] = [];
  const source: WeightSource = {
    unquantized: async (layer, role) => {
      reads.push(`${layer} ${role}`);
      return new Float32Array(new SharedArrayBuffer(4));
    },
    matrix: async (layer, role, expert = 0) => {
      reads.push(`${layer} ${role} ${expert}`);
      return { bytes: sharedBytes(4), dtype: "F32", rows: 1, columns: 1 };
    },
  };
  return { source, reads };
}

/** Lets everything run that can run. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("weights that passes share", () => {
  test("are read once, whoever asks first, and again when all have had them", async () => {
    const { source, reads } = recorded();
    const shared = new SharedWeights(source, 2, 8);
    const [one, other] = [shared.of(0), shared.of(1)];
    const first = await one.matrix(0, "up", 3);
    await one.unquantized(0, "norm");
    expect(await other.matrix(0, "up", 3)).toBe(first);
    await other.unquantized(0, "norm");
    expect(reads).toEqual(["0 up 3", "0 norm"]);
    await one.matrix(0, "up", 3);
    expect(reads).toEqual(["0 up 3", "0 norm", "0 up 3"]);
  });

  test("make a fast pass wait for a slow one", async () => {
    const { source, reads } = recorded();
    const shared = new SharedWeights(source, 2, 2);
    const fast = [0, 1, 2].map((expert) => shared.of(0).matrix(0, "up", expert));
    await settle();
    expect(reads).toEqual(["0 up 0", "0 up 1"]);
    await shared.of(1).matrix(0, "up", 0);
    await Promise.all(fast);
    expect(reads).toEqual(["0 up 0", "0 up 1", "0 up 2"]);
  });

  test("do not wait for a pass that has ended", async () => {
    const { source } = recorded();
    const shared = new SharedWeights(source, 2, 1);
    await shared.of(0).matrix(0, "up", 0);
    const second = shared.of(0).matrix(0, "up", 1);
    shared.leave(1);
    await expect(second).resolves.toBeDefined();
  });

  test("give the failure of one pass to those that wait", async () => {
    const { source } = recorded();
    const shared = new SharedWeights(source, 2, 1);
    await shared.of(0).matrix(0, "up", 0);
    const waiting = shared.of(0).matrix(0, "up", 1);
    shared.fail(new Error("weights of up 0 are not finite"));
    await expect(waiting).rejects.toThrow("not finite");
  });
});
