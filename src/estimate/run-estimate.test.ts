import { describe, expect, test } from "vitest";
import { smallest } from "../../test/support/models.ts";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { alone, plans, series, shape } from "../../test/support/series-30b.ts";
import { shapedBase } from "../../test/support/shaped-base.ts";
import { readBase } from "../base/base.ts";
import { openFolder } from "../checkpoint/folder.ts";
import { planTier } from "../plan/plan.ts";
import { tiers } from "../plan/tiers.ts";
import { memoryOf } from "./memory.ts";
import { shapeOf } from "./model-shape.ts";
import { probesOf } from "./operations.ts";
import { estimateRun, fitRun } from "./run-estimate.ts";
import type { RunWork } from "./work.ts";

const gigabytes = (bytes: number) => Math.round(bytes / 1e8) / 10;
const tera = (work: RunWork) =>
  Object.fromEntries(
    estimateRun(work).stages.map(({ name, operations }) => [name, Math.round(operations / 1e12)]),
  );

describe("the series of the 30B model", () => {
  test("has its shapes", () => {
    expect(gigabytes(shape.bytes)).toBe(63.2);
    expect(shape).toMatchObject({ hidden: 2688, vocabulary: 131072, isTied: false });
    expect(shape.experts).toEqual({ routed: 128, ranked: 12 });
    // 3.2 B active parameters without embeddings and head, two operations for each.
    const perToken = shape.blocks.reduce((sum, { operations }) => sum + operations, 0);
    expect(perToken / 2e9).toBeCloseTo(2.87, 1);
  });

  test("reads the base twice, and nothing for the evaluation", () => {
    const { reads, writes } = estimateRun(series);
    expect(reads.map(({ name, bytes }) => [name, gigabytes(bytes)])).toEqual([
      ["measuring", 63.2],
      ["tuning", 63.2],
    ]);
    expect(gigabytes(writes)).toBe(100.4);
  });

  test("reads it for the evaluation if nothing is tuned, and a tied table for its rows too", () => {
    const untuned = { ...series, measuring: null, tuning: null };
    const rounding = { name: "rounding", bytes: shape.bytes };
    const reads = (isTied: boolean) =>
      estimateRun({ ...untuned, shape: { ...shape, isTied } }).reads;
    expect(reads(false)).toEqual([rounding, { name: "evaluation", bytes: shape.bytes }]);
    // Three parts of the positions, by the base and by the rounded one.
    const again = 3 * 2 * shape.headBytes;
    expect(reads(true)).toEqual([rounding, { name: "evaluation", bytes: shape.bytes + again }]);
  });

  test("measures a tied base in one walk, and keeps its table unless it is large", () => {
    const tied = (vocabulary: number) => {
      const own = { ...shape, isTied: true, vocabulary };
      return { ...series, shape: own };
    };
    const reads = (work: RunWork) => estimateRun(work).reads.map(({ bytes }) => bytes);
    expect(reads(tied(2 ** 15))).toEqual([shape.bytes, shape.bytes]);
    expect(reads(tied(2 ** 17))).toEqual([shape.bytes, shape.bytes + shape.headBytes]);
    const memory = (work: RunWork, stage: string) =>
      memoryOf(work, true).find(({ name }) => name === stage)!.bytes;
    const more = (stage: string, vocabulary: number) => {
      const apart = { ...series, shape: { ...shape, vocabulary } };
      return memory(tied(vocabulary), stage) - memory(apart, stage);
    };
    for (const stage of ["measuring, blocks", "tuning, blocks"])
      expect(more(stage, 2 ** 15), stage).toBeGreaterThanOrEqual(shape.headBytes);
    expect(more("measuring, head", 2 ** 15)).toBeGreaterThan(2 * (4 / 8) * 2 ** 15 * shape.hidden);
  });

  test("reads it once a tier in a sequential walk, and once more behind it", () => {
    const tuning = { ...series.tuning!, sequential: true };
    const { reads } = estimateRun({ ...series, tuning });
    expect(reads[1]).toEqual({ name: "tuning", bytes: 5 * shape.bytes });
  });

  test("keeps the hidden states of 12 riders", () => {
    // Tuning, without a repair; the base, four free and four forced runs, and two rounded.
    // The forced and the rounded ones have a quarter of the evaluation rows.
    expect(estimateRun(series).held).toBe(4 * 2688 * (32768 + 5 * 8192 + 6 * 2048));
    expect(estimateRun(alone).held).toBe(4 * 2688 * (32768 + 2 * 8192 + 3 * 2048));
    // Residual repair has the base's states beside the tier's.
    const tuning = { ...alone.tuning!, sequential: true, residual: true };
    expect(estimateRun({ ...alone, tuning }).held - estimateRun(alone).held).toBe(4 * 2688 * 32768);
  });

  test("has a probe for each block, those of sampled blocks, and copies of the rows", () => {
    const probes = probesOf(shape, 3);
    expect(probes[0]).toEqual({ before: 1, copies: 1 + 3 + 1 + 2 / 3 });
    // Three of 23 Mamba blocks, of 23 MoE blocks, of six attention blocks; tensors of two of each
    // on a third of the rows.
    expect(probes.at(-1)!.before).toBeCloseTo(1 + 3 + 3 + 3 + (2 * (2 + 4 + 4)) / 3 - 1, 9);
    expect(probes.at(-1)!.copies).toBeCloseTo(probes.at(-1)!.before + 3 + 1 + 4 / 3, 9);
  });

  test("takes the arithmetic that docs/architecture.md says", () => {
    expect(tera(series)).toEqual({ measuring: 298, tuning: 1614, evaluation: 395 });
    expect(tera(alone).tuning).toBeLessThan(0.56 * tera(series).tuning!);
    expect(tera({ ...series, tuning: null }).rounding).toBeLessThan(50);
  });

  test("takes the memory that docs/architecture.md says", () => {
    const stages = (work: RunWork, inTurn: boolean) =>
      memoryOf(work, inTurn).map(({ name, bytes }) => [name, gigabytes(bytes)]);
    expect(stages(series, true)).toEqual([
      ["measuring, blocks", 2.9],
      ["measuring, head", 3.1],
      ["tuning, blocks", 2.9],
      ["tuning, head", 2.7],
      ["evaluation, head", 2.4],
    ]);
    expect(stages({ ...series, measuring: null }, false)[0]).toEqual(["tuning, blocks", 3.2]);
  });

  test("counts the weights that are read ahead in blocks", () => {
    const bytes = (work: RunWork) =>
      Object.fromEntries(memoryOf(work, true).map(({ name, bytes }) => [name, bytes]));
    // A shape whose bytes are all of the head has nothing to read ahead.
    const none = bytes({ ...series, shape: { ...shape, bytes: shape.headBytes } });
    // The digests of their pieces are a 32,768th of them.
    const digests = (shape.bytes - shape.headBytes) / 2 ** 15;
    const more = Object.entries(bytes(series)).map(([name, most]) => {
      return [name, Math.round(most - none[name]! - digests)];
    });
    expect(Object.fromEntries(more)).toEqual({
      "measuring, blocks": 64 << 20,
      "measuring, head": 0,
      "tuning, blocks": 64 << 20,
      "tuning, head": 0,
      "evaluation, head": 0,
    });
  });

  test("rounds in little memory, whatever the size of the model", () => {
    const rounds = { ...series, measuring: null, tuning: null, evaluation: null };
    const [stage, ...others] = memoryOf(rounds, false);
    expect([stage!.name, others]).toEqual(["rounding", []]);
    // Measured: 174 MB with one worker, 266 MB with four, on a base of 135 M parameters.
    for (const [workers, most] of [
      [1, 300e6],
      [4, 450e6],
    ] as const) {
      const { bytes } = memoryOf({ ...rounds, workers }, false)[0]!;
      expect(bytes).toBeGreaterThan(200e6);
      expect(bytes).toBeLessThan(most);
    }
  });

  test("tunes and evaluates with three workers on 7 GB, and with two in 3 GB or 2.7 GB", () => {
    const estimate = estimateRun({ ...series, measuring: null });
    const runner = { given: null, usual: 4.2e9, memory: 7e9, folder: "/work", free: null };
    expect(fitRun(estimate, plans, runner)).toMatchObject({ limit: 4.2e9, inTurn: false });
    const two = estimateRun({ ...series, measuring: null, workers: 2 });
    expect(fitRun(two, plans, { ...runner, given: 3e9 })).toMatchObject({ inTurn: false });
    expect(fitRun(two, plans, { ...runner, given: 2.7e9 })).toMatchObject({ inTurn: true });
  });
});

test("experts in a narrower space cost by their own input, which is held beside the states", () => {
  const latent = { ...nemotron30b, moe_latent_size: 672 };
  const narrow = shapeOf(shapedBase(latent));
  const [own, plain] = [narrow.blocks[1]!, shape.blocks[1]!];
  expect([own.narrow, plain.narrow]).toEqual([672, 0]);
  // Into the space and back, and six of the experts, a quarter as wide.
  const added = 2 * 2 * 672 * 2688;
  const experts = 6 * 2 * 2 * 1856 * 2688;
  expect(own.operations).toBe(plain.operations + added - experts * (3 / 4));
  // Its router's directions are those of the residual stream, which no expert writes into.
  const tuned = (of: typeof shape) => estimateRun({ ...series, measuring: null, shape: of });
  const sum = (of: typeof shape) =>
    tuned(of).stages.reduce((total, { operations }) => total + operations, 0);
  expect(sum(narrow) / sum(shape)).toBeLessThan(0.75);
});

describe("a small base", () => {
  // Measured with two workers, `oqe quantize --policy oq` on 128 rows and 64 to evaluate.
  test.each([
    ["llama", 401e6],
    ["qwen3_moe", 677e6],
    ["nemotron_h.latent", 653e6],
    ["nemotron_h.dense", 463e6],
  ] as const)("%s needs at least what was measured, and less than 1 GB", async (type, measured) => {
    const folder = await openFolder(smallest[type]!);
    const small = await readBase(folder, { allowHeaderOnly: true });
    await small.checkpoint.close();
    const own = tiers.map((tier) => planTier(tier, small));
    const repaired = shapeOf(small).experts === null ? 0 : 32 * 256;
    const { least } = estimateRun({
      ...{
        shape: shapeOf(small),
        plans: own,
        measuring: null,
        makes: true,
        staged: false,
        workers: 2,
      },
      tuning: { tokens: 128 * 256, repaired, sequential: false, residual: false },
      evaluation: { tokens: 64 * 256, sparse: 64 * 256, rounded: 4 },
    });
    expect(least.bytes).toBeGreaterThan(measured);
    expect(least.bytes).toBeLessThan(1e9);
  });
});

describe("a dense base with a wide MLP", () => {
  const wide = (hidden: number, mlp: number, vocabulary: number, layers: number) =>
    shapedBase({
      ...{ model_type: "qwen2", hidden_size: hidden, intermediate_size: mlp },
      ...{ num_hidden_layers: layers, vocab_size: vocabulary, tie_word_embeddings: false },
      ...{ num_attention_heads: hidden / 128, num_key_value_heads: 4 },
    });
  const tuned = (base: ReturnType<typeof wide>, workers: number): RunWork => ({
    shape: shapeOf(base),
    plans: tiers.map((tier) => planTier(tier, base)).slice(-1),
    ...{ measuring: null, makes: true, staged: false, workers },
    tuning: { tokens: 128 * 256, repaired: 0, sequential: false, residual: false },
    evaluation: { tokens: 4 * 256, sparse: 4 * 256, rounded: 2 },
  });
  const most = (work: RunWork) => estimateRun(work).least.bytes;

  test("does not need more of the host for more workers, only their own memory", () => {
    const base = wide(5120, 27_648, 152_064, 2);
    const each = most(tuned(base, 4)) - most(tuned(base, 3));
    expect(each).toBeLessThan(0.5e9); // with a factor in each it was 6.2 GB
  });

  // docs/benchmarks.md, "Wide matrices".
  test.each([
    [{ hidden: 3584, mlp: 18_944, vocabulary: 32_768 }, 128, 4.68e9],
    [{ hidden: 5120, mlp: 27_648, vocabulary: 8192 }, 16, 5.26e9],
  ] as const)(
    "%o needs at least what was measured, and at most a fifth more",
    (size, rows, most) => {
      const work = tuned(wide(size.hidden, size.mlp, size.vocabulary, 1), 2);
      const own = { ...work, tuning: { ...work.tuning!, tokens: rows * 256 } };
      const { sideBySide, held } = estimateRun(own);
      expect(sideBySide + held).toBeGreaterThan(most);
      expect(sideBySide + held).toBeLessThan(1.2 * most);
    },
  );

  test("works at the widths of models of 32 B and 70 B", () => {
    expect(most(tuned(wide(5120, 27_648, 152_064, 2), 4))).toBeLessThan(10e9);
    expect(most(tuned(wide(8192, 28_672, 128_256, 2), 4))).toBeLessThan(12e9);
  });
});
