import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { holdWrites, settle } from "../../test/support/slow-disk.ts";
import { mountSmall, onlyAsRoot } from "../../test/support/small-disk.ts";
import { silentReport } from "../ground/report.ts";
import { asWeight, sharedFloats } from "../kernel/matrix.ts";
import { RereadWeights } from "../models/reread-weights.ts";
import type { WeightSource } from "../models/run.ts";
import { withStates } from "./state-store.ts";

let folder: string;
beforeEach(async () => {
  folder = await scratchFolder();
});
afterEach(() => removeFolder(folder));

const mostPending = 3;

/** Experts of 64 KiB, each with its number in it. */
const source: WeightSource = {
  unquantized: async () => null,
  matrix: async (_, __, expert) => asWeight(sharedFloats(1 << 14).fill(expert!), 1 << 7),
};

const numberOf = async (weights: WeightSource, expert: number) => {
  const { bytes } = await weights.matrix(0, "experts.up", expert);
  return new Float32Array(bytes.buffer)[0];
};

const withWeights = (place: string, use: (weights: RereadWeights) => Promise<void>) =>
  withStates({ folder: place, memory: 0, report: silentReport }, async (_, keep) => {
    const weights = new RereadWeights(source, keep, mostPending);
    try {
      await use(weights);
    } finally {
      await weights.close();
    }
  });

test("a reader waits for a slow disk: few matrices wait in memory to be written", async () => {
  const { waiting, free } = await holdWrites();
  try {
    await withWeights(folder, async (weights) => {
      const read: number[] = [];
      const reading = Promise.all(
        Array.from({ length: 9 }, async (_, i) => read.push((await numberOf(weights, i))!)),
      );
      for (let written = 0; written < 9; written++) {
        const started = Math.min(9, mostPending + written);
        await expect.poll(() => waiting.length, { timeout: 30_000 }).toBe(started);
        await settle();
        expect([read.length, waiting.length]).toEqual([started, started]);
        waiting[written]!.resolve();
      }
      await reading;
      for (let i = 0; i < 9; i++) expect(await numberOf(weights, i)).toBe(i);
    });
  } finally {
    free();
  }
  expect(await readdir(folder)).toEqual([]);
});

test("a full disk is noticed by the first rider, and nothing is left on it", async ({ skip }) => {
  const place = `${folder}/small`;
  const unmount = await mountSmall(place, "256k");
  if (unmount === null) return skip(onlyAsRoot);
  let seen = 0;
  try {
    const reading = withWeights(place, async (weights) => {
      for (let i = 0; i < 40; i++) {
        await numberOf(weights, i);
        seen++;
      }
    });
    await expect(reading).rejects.toMatchObject({
      code: "DISK",
      message: expect.stringMatching(/^65536 bytes of weights cannot be kept: not enough disk/),
      cause: expect.objectContaining({ code: "ENOSPC" }),
    });
    expect(seen).toBeLessThan(4 + mostPending + 1);
    expect(await readdir(place)).toEqual([]);
  } finally {
    unmount();
  }
});
