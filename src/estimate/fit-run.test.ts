import { describe, expect, test } from "vitest";
import { alone, plans, series } from "../../test/support/series-30b.ts";
import { estimateLines, estimateRun, fitRun, type Machine } from "./run-estimate.ts";
import type { RunWork } from "./work.ts";

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
    const given = sideBySide + 5e8;
    const { inMemory, inFiles, disk } = fitRun(tight, plans, { ...machine, given });
    expect([inMemory, inFiles]).toEqual([5e8, held - 5e8]);
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
      refusal(
        "MEMORY",
        /, and may use 80 % of the 2.5GB of this machine$/,
        /swap.*runner with more/,
      ),
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
        /, 3479175168 of them for what does not fit in memory, 101000000000/,
        /runner/,
      ),
    );
    expect(fit({ free: null }).disk).toBe(estimate.writes);
  });

  test("needs little of a disk where finished blocks go to a staging branch", () => {
    const staged = estimateRun({ ...series, staged: true });
    expect(staged.onDisk.map((bytes) => Math.round(bytes / 1e8) / 10)).toEqual([4, 3.4, 3.1, 2.7]);
    expect(fitRun(staged, plans, { ...machine, free: 14e9 }).disk).toBeLessThan(14e9);
  });

  test("is described in four lines", () => {
    const outside = { speed: 100e9, workers: 3, tiers: 4 };
    expect(estimateLines(estimate, fit({}), outside)).toEqual([
      "reads 126.3 GB (measuring 63.2 GB, tuning 63.2 GB), writes 100.4 GB (4 tiers)",
      "memory: about 4.2 GB at most (measuring, head), limit 20.0 GB; " +
        "924.8 MB of hidden states between blocks",
      "disk: 100.4 GB",
      "time: about 7.1 h of arithmetic on 3 threads " +
        "(measuring 55 min, tuning 5.0 h, evaluation 73 min), 100 GF/s",
    ]);
    const own = { ...machine, given: tight.least.bytes };
    expect(estimateLines(tight, fitRun(tight, plans, own), outside)[1]).toBe(
      "memory: about 2.9 GB at most (tuning, blocks), limit 2.9 GB; " +
        "924.8 MB of hidden states between blocks, 924.8 MB of them in files",
    );
    const verified = estimateRun({ ...alone, tuning: null, makes: false });
    const lines = estimateLines(verified, fit({ given: least }), outside);
    expect(lines[0]).toMatch(/^reads [\d.]+ GB \(evaluation [\d.]+ GB\), writes nothing$/);
  });
});
