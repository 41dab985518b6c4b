import { expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { shapedBase } from "../../test/support/shaped-base.ts";
import { Pending } from "../ground/pending.ts";
import { sharedBytes, type Weight } from "../kernel/matrix.ts";
import { mostAhead, withReadAhead } from "./read-ahead.ts";
import type { WeightSource } from "./run.ts";

// Blocks of the 30B model: a Mamba, a MoE, another Mamba, an attention block.
const { tensors } = shapedBase({
  ...nemotron30b,
  hybrid_override_pattern: "MEM*",
  num_hidden_layers: 4,
});
const expertBytes = 2 * 1856 * 2688;

/** A source whose reads end when a test says so. */
function scene() {
  const reads: string[] = [];
  const waiting = new Map<string, Pending<Weight>>();
  const weight: Weight = { bytes: sharedBytes(4), dtype: "F32", rows: 1, columns: 1 };
  const weights: WeightSource = {
    unquantized: async (layer, role) => {
      reads.push(`${layer} ${role}`);
      return new Float32Array(new SharedArrayBuffer(4));
    },
    matrix: (layer, role, expert = 0) => {
      const key = `${layer} ${role} ${expert}`;
      reads.push(key);
      const pending = new Pending<Weight>();
      waiting.set(key, pending);
      return pending.promise;
    },
  };
  /** Ends all reads, also those that start meanwhile. */
  const settle = async () => {
    for (let turn = 0; turn < 300; turn++) {
      for (const pending of waiting.values()) pending.resolve(weight);
      await Promise.resolve();
    }
  };
  return { reads, waiting, weights, settle };
}

const matrices = (reads: readonly string[]) => reads.filter((key) => key.split(" ").length === 3);

test("the rest of a block and the first weights of the next are read before they are asked for", async () => {
  const { reads, weights, settle } = scene();
  await withReadAhead({ weights, tensors }, async (ahead) => {
    const first = ahead.matrix(0, "mamba.in");
    expect(reads[0]).toBe("0 mamba.in 0");
    await settle();
    await first;
    // mamba.out has 22 MB, each expert's matrix 10 MB: four of them fit, in the order of the pass.
    expect(matrices(reads)).toEqual([
      ...["0 mamba.in 0", "0 mamba.out 0"],
      ...["1 experts.up 0", "1 experts.down 0", "1 experts.up 1", "1 experts.down 1"],
    ]);
    expect(reads).toContain("1 norm");
    expect(reads).toContain("1 router");
    const before = reads.length;
    await ahead.matrix(1, "experts.up", 0);
    expect(reads.slice(before)).toEqual(["1 experts.up 2"]);
    await settle();
  });
});

test("no more bytes than the budget are held, and none of a block behind the next", async () => {
  const { reads, weights, settle } = scene();
  const most = 3 * expertBytes;
  await withReadAhead(
    { weights, tensors },
    async (ahead) => {
      void ahead.matrix(1, "experts.up", 0);
      await settle();
      expect(matrices(reads).length).toBe(1 + 3);
      for (let expert = 0; expert < 128; expert++) {
        if (expert > 0) void ahead.matrix(1, "experts.up", expert);
        void ahead.matrix(1, "experts.down", expert);
        await settle();
      }
      // Of the two matrices of the shared expert, 20 MB each, one fits.
      expect(matrices(reads).length).toBe(2 * 128 + 1);
      expect(reads.at(-1)).toBe("1 shared.up 0");
      expect(reads.filter((key) => key.startsWith("3 "))).toEqual([]);
    },
    most,
  );
  expect(mostAhead).toBe(64 << 20);
});

test("a failure is thrown when the weight is asked for, and ends the reading ahead", async () => {
  const { reads, waiting, weights, settle } = scene();
  await withReadAhead({ weights, tensors }, async (ahead) => {
    void ahead.matrix(1, "experts.up", 0);
    await Promise.resolve();
    waiting.get("1 experts.down 0")!.reject(new Error("cut"));
    await new Promise(setImmediate); // an unhandled rejection would end the test
    await expect(ahead.matrix(1, "experts.down", 0)).rejects.toThrow("cut");
    const before = reads.length;
    void ahead.matrix(1, "experts.up", 1);
    expect(reads.length).toBe(before);
    await settle();
  });
});

test("after the walk nothing more is read, and what is being read has ended", async () => {
  const { reads, waiting, weights, settle } = scene();
  let ended = false;
  const walk = withReadAhead({ weights, tensors }, async (ahead) => {
    void ahead.matrix(1, "experts.up", 0).catch(() => {});
    throw new Error("stopped");
  }).catch(() => {
    ended = true;
  });
  await new Promise(setImmediate);
  const before = reads.length;
  expect([ended, waiting.size]).toEqual([false, 1 + 4]);
  await settle();
  await walk;
  expect(reads.length).toBe(before);
});
