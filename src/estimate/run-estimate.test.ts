import { describe, expect, test } from "vitest";
import { smallest } from "../../test/support/models.ts";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { shapedBase } from "../../test/support/shaped-base.ts";
import { readBase } from "../base/base.ts";
import { openFolder } from "../checkpoint/folder.ts";
import { planTier } from "../plan/plan.ts";
import { tiers } from "../plan/tiers.ts";
import { memoryOf } from "./memory.ts";
import { shapeOf } from "./model-shape.ts";
import { probesOf } from "./operations.ts";
import { estimateLines, estimateRun, fitRun, type Machine } from "./run-estimate.ts";
import type { RunWork } from "./work.ts";

const base = shapedBase(nemotron30b);
const shape = shapeOf(base);
const plans = tiers.map((tier) => planTier(tier, base));

/** The series by default on three cores: 128 rows of 256 tokens, 64 of 128 to evaluate. */
const series: RunWork = {
  shape,
  plans,
  measuring: {
    ...{ bytes: shape.bytes, others: 64 * 256 },
    ...{ probe: 9 * 64, more: 18 * 64, positions: 9 * 16 },
  },
  tuning: { tokens: 128 * 256, repaired: 48 * 256, sequential: false, residual: false },
  evaluation: { tokens: 64 * 128, rounded: 1 },
  makes: true,
  workers: 3,
};
const alone: RunWork = { ...series, plans: plans.slice(-1), measuring: null };

const gigabytes = (bytes: number) => Math.round(bytes / 1e8) / 10;
const tera = (work: RunWork) =>
  Object.fromEntries(
    estimateRun(work).stages.map(({ name, operations }) => [name, Math.round(operations / 1e12)]),
  );

describe("the series of the 30B model", () => {
  test("has its shapes", () => {
    expect(gigabytes(shape.bytes)).toBe(63.2);
    expect(shape).toMatchObject({ hidden: 2688, vocabulary: 131072, isTied: false });
    expect(shape.experts).toEqual({ routed: 128, ranked: 18 });
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

  test("keeps the hidden states of 15 riders", () => {
    // Tuning and four repairs; the base, four free and four forced runs, and one rounded.
    expect(estimateRun(series).held).toBe(4 * 2688 * (32768 + 4 * 12288 + 10 * 8192));
    expect(estimateRun(alone).held).toBe(4 * 2688 * (32768 + 12288 + 4 * 8192));
    // Residual repair has the base's states beside the tier's.
    const tuning = { ...alone.tuning!, sequential: true, residual: true };
    expect(estimateRun({ ...alone, tuning }).held - estimateRun(alone).held).toBe(4 * 2688 * 32768);
  });

  test("has a probe for each block, those of sampled blocks, and copies of the rows", () => {
    const probes = probesOf(shape);
    expect(probes[0]).toEqual({ before: 1, copies: 1 + 3 + 1 + 2 / 3 });
    // Seven of 23 Mamba blocks, of 23 MoE blocks, all six attention blocks; tensors of two of each
    // on a third of the rows.
    expect(probes.at(-1)!.before).toBeCloseTo(1 + 7 + 7 + 6 + (2 * (2 + 4 + 4)) / 3 - 1, 9);
    expect(probes.at(-1)!.copies).toBeCloseTo(probes.at(-1)!.before + 3 + 1 + 4 / 3, 9);
  });

  test("takes the arithmetic that docs/architecture.md says", () => {
    expect(tera(series)).toEqual({ measuring: 412, tuning: 1927, evaluation: 533 });
    expect(tera(alone).tuning).toBeLessThan(tera(series).tuning! / 2);
    expect(tera({ ...series, tuning: null }).rounding).toBeLessThan(50);
  });

  test("takes the memory that docs/architecture.md says", () => {
    const stages = (work: RunWork, inTurn: boolean) =>
      memoryOf(work, inTurn).map(({ name, bytes }) => [name, gigabytes(bytes)]);
    expect(stages(series, true)).toEqual([
      ["measuring, blocks", 3.3],
      ["measuring, head", 3],
      ["tuning, blocks", 3],
      ["tuning, head", 2.6],
      ["evaluation, head", 2.2],
    ]);
    expect(stages({ ...series, measuring: null }, false)[0]).toEqual(["tuning, blocks", 3.5]);
  });

  test("counts the weights that are read ahead in blocks", () => {
    const bytes = (work: RunWork) =>
      Object.fromEntries(memoryOf(work, true).map(({ name, bytes }) => [name, bytes]));
    // A shape whose bytes are all of the head has nothing to read ahead.
    const none = bytes({ ...series, shape: { ...shape, bytes: shape.headBytes } });
    const more = Object.entries(bytes(series)).map(([name, most]) => [name, most - none[name]!]);
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
      [1, 250e6],
      [4, 400e6],
    ] as const) {
      const { bytes } = memoryOf({ ...rounds, workers }, false)[0]!;
      expect(bytes).toBeGreaterThan(200e6);
      expect(bytes).toBeLessThan(most);
    }
  });

  test("tunes and evaluates with three workers on a machine of 7 GB, and with two in 3 GB", () => {
    const estimate = estimateRun({ ...series, measuring: null });
    const runner = { given: null, usual: 4.2e9, memory: 7e9, folder: "/work", free: null };
    expect(fitRun(estimate, plans, runner)).toMatchObject({ limit: 4.2e9, inTurn: false });
    const two = estimateRun({ ...series, measuring: null, workers: 2 });
    expect(fitRun(two, plans, { ...runner, given: 3e9 })).toMatchObject({ inTurn: true });
  });
});

describe("a small base", () => {
  // Measured with two workers, `oqe quantize --policy oq` on 128 rows and 64 to evaluate.
  test.each([
    ["llama", 401e6],
    ["qwen3_moe", 677e6],
  ] as const)("%s needs at least what was measured, and less than 1 GB", async (type, measured) => {
    const folder = await openFolder(smallest[type]!);
    const small = await readBase(folder, { allowHeaderOnly: true });
    await small.checkpoint.close();
    const own = tiers.map((tier) => planTier(tier, small));
    const repaired = type === "llama" ? 0 : 48 * 256;
    const { least } = estimateRun({
      ...{ shape: shapeOf(small), plans: own, measuring: null, makes: true, workers: 2 },
      tuning: { tokens: 128 * 256, repaired, sequential: false, residual: false },
      evaluation: { tokens: 64 * 256, rounded: 4 },
    });
    expect(least.bytes).toBeGreaterThan(measured);
    expect(least.bytes).toBeLessThan(1e9);
  });
});

describe("a run on a machine", () => {
  const estimate = estimateRun(series);
  const least = estimate.least.bytes;
  /** Without measuring, which keeps no states between blocks. */
  const tight = estimateRun({ ...series, measuring: null });
  const machine: Machine = {
    given: null,
    usual: 20e9,
    memory: 32e9,
    folder: "/work",
    free: 500e9,
  };
  const fit = (own: Partial<Machine>) => fitRun(estimate, plans, { ...machine, ...own });
  const refusal = (code: string, message: RegExp, hint: RegExp) =>
    expect.objectContaining({
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });

  test("keeps hidden states in memory where there is enough of it", () => {
    expect(fit({})).toEqual({
      limit: 20e9,
      inTurn: false,
      inMemory: estimate.held,
      inFiles: 0,
      disk: estimate.writes,
    });
  });

  test("keeps the rest of them in files", () => {
    const { writes, held, sideBySide } = tight;
    const given = sideBySide + 1e9;
    const { inMemory, inFiles, disk } = fitRun(tight, plans, { ...machine, given });
    expect([inMemory, inFiles]).toEqual([1e9, held - 1e9]);
    expect(disk).toBe(writes + held);
  });

  test("lets riders go through experts one after the other where there is too little", () => {
    const { writes, held, holding, sideBySide, stack } = tight;
    expect(stack).toBe(2 * 128 * 2 * 1856 * 2688);
    expect(sideBySide).toBeGreaterThan(holding);
    const { inTurn, inMemory, disk } = fitRun(tight, plans, { ...machine, given: sideBySide - 1 });
    expect([inTurn, inMemory]).toEqual([true, Math.min(held, sideBySide - 1 - holding)]);
    expect(disk).toBe(writes + held + stack);
  });

  test("takes the memory that it needs where no limit is given", () => {
    expect(fit({ usual: 1e9 })).toMatchObject({ limit: least });
    const own = { ...machine, usual: 1e9 };
    expect(fitRun(tight, plans, own)).toMatchObject({ limit: tight.least.bytes, inMemory: 0 });
  });

  test("is refused for a limit that no walk can keep, and told the least", () => {
    const text = `${Math.ceil(least / 1e6) / 1e3}GB`;
    const says = new RegExp(`^memory-limit: 2GB is less than the run needs: about ${text} \\(`);
    expect(() => fit({ given: 2e9 })).toThrow(
      refusal("MEMORY", says, new RegExp(`^Set memory-limit ${text} or more`)),
    );
    expect(fit({ given: 1e9 * Number.parseFloat(text) }).limit).toBeGreaterThanOrEqual(least);
  });

  test("is told what uses the memory: calibration rows, evaluation rows, or neither", () => {
    const hintOf = (work: RunWork) => {
      const own = { ...machine, given: 1e8 };
      return () => fitRun(estimateRun(work), plans, own);
    };
    const untuned = { ...series, measuring: null, tuning: null };
    expect(hintOf(series)).toThrow(refusal("MEMORY", /./, /calibration-samples/));
    expect(hintOf(untuned)).toThrow(refusal("MEMORY", /./, /evaluation-samples/));
    expect(hintOf({ ...untuned, evaluation: null })).toThrow(
      refusal("MEMORY", /\(rounding\)/, /Or use fewer threads/),
    );
  });

  test("is refused by a machine with too little memory", () => {
    expect(() => fit({ usual: 2e9, memory: 2.5e9 })).toThrow(
      refusal("MEMORY", /this machine has 2.5GB$/, /swap.*runner with more memory/),
    );
  });

  test("is refused for a disk that is too small, and told which tiers fit", () => {
    expect(() => fit({ free: 25e9 })).toThrow(
      refusal(
        "DISK",
        /^not enough disk space in \/work: 100\d{9} bytes are needed, 25000000000 are free$/,
        /^One tier per run fits: tiers oQ5e, tiers oQ4e\./,
      ),
    );
    expect(() => fit({ free: 14e9 })).toThrow(
      refusal("DISK", /14000000000 are free$/, /^None of the tiers fits alone/),
    );
    const own = { ...machine, free: 101e9, given: tight.least.bytes };
    expect(() => fitRun(tight, plans, own)).toThrow(
      refusal(
        "DISK",
        /, 4315938816 of them for what does not fit in memory, 101000000000/,
        /runner/,
      ),
    );
    expect(fit({ free: null }).disk).toBe(estimate.writes);
  });

  test("is described in four lines", () => {
    const outside = { speed: 100e9, workers: 3, tiers: 4 };
    expect(estimateLines(estimate, fit({}), outside)).toEqual([
      "reads 126.3 GB (measuring 63.2 GB, tuning 63.2 GB), writes 100.4 GB (4 tiers)",
      "memory: about 5.2 GB at most (measuring, blocks), limit 20.0 GB; " +
        "1.8 GB of hidden states between blocks",
      "disk: 100.4 GB",
      "time: about 8.9 h of arithmetic on 3 threads " +
        "(measuring 76 min, tuning 5.9 h, evaluation 1.6 h), 100 GF/s",
    ]);
    const own = { ...machine, given: tight.least.bytes };
    expect(estimateLines(tight, fitRun(tight, plans, own), outside)[1]).toBe(
      "memory: about 3.0 GB at most (tuning, blocks), limit 3.0 GB; " +
        "1.8 GB of hidden states between blocks, 1.8 GB of them in files",
    );
    const verified = estimateRun({ ...alone, tuning: null, makes: false });
    const lines = estimateLines(verified, fit({ given: least }), outside);
    expect(lines[0]).toMatch(/^reads [\d.]+ GB \(evaluation [\d.]+ GB\), writes nothing$/);
  });
});
