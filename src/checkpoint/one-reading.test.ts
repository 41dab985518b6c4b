import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { data, forwards, openShard, size, sizes, starts } from "../../test/support/opened-shard.ts";
import { pieces } from "../ground/pieces.ts";
import { HeldRuns } from "./held-runs.ts";

describe("a run that reads everything once", () => {
  const openOnce = (options: Parameters<typeof openShard>[0] = {}) => {
    const opened = openShard(options);
    opened.proof.expectOneReading();
    return opened;
  };
  const digests = ({ proof }: ReturnType<typeof openShard>) =>
    proof.takeDigests({}).reduce((sum, run) => sum + Buffer.from(run.digests, "base64").length, 0);

  test("takes digests only of what comes before its turn", async () => {
    const inOrder = openOnce();
    await inOrder.readAll();
    await inOrder.proof.finish();
    expect([inOrder.given(), digests(inOrder)]).toEqual([data, 0]);
    const backwards = openOnce();
    await backwards.readAll([5, 4, 3, 1, 0]);
    await backwards.proof.finish();
    expect(backwards.given()).toBe(data);
    expect(digests(backwards)).toBeGreaterThan(0);
    const together = openOnce({ held: new HeldRuns(sizes[4]!) });
    await Promise.all([4, 0, 5, 3, 1].map(together.tensor));
    await together.proof.finish();
  });

  /** Ranges of the whole file, none of which ends where a piece ends. */
  const ranges = pieces(data, 700_001).map(([from, to]) => [starts[0]! + from, to - from] as const);
  /** Reads of later bytes are faster. */
  const reversed = (offset: number) => setTimeout(20 - (20 * offset) / size);

  test("hashes ranges of any length as they come, whichever is there first", async () => {
    const { proof, given, ...rest } = openOnce({ wait: reversed });
    for (let i = 0; i < ranges.length; i += 3)
      await Promise.all(ranges.slice(i, i + 3).map((range) => proof.read(...range)));
    expect(proof.cursor).toBe(size);
    await proof.finish();
    expect([given(), digests({ proof, given, ...rest })]).toEqual([data, 0]);
  });

  test("reads the end of a piece that nobody read, and no more", async () => {
    const { proof, given } = openOnce();
    for (const range of ranges.slice(0, -2)) await proof.read(...range);
    await proof.finish();
    expect(given()).toBe(data);
  });

  test.each([0, 2, 4])("ends with a wrong bit of range %i", async (i) => {
    for (const order of [
      ranges,
      ranges.toReversed(),
      [...ranges.slice(4), ...ranges.slice(0, 4)],
    ]) {
      const { proof } = openOnce({ flips: [{ at: ranges[i]![0] + 5, times: 1 }] });
      const readAll = async () => {
        await Promise.all(order.map((range) => proof.read(...range)));
        await proof.finish();
      };
      await expect(readAll()).rejects.toThrow("were wrong when they were read");
    }
  });

  test("a read that fails stops no other", async () => {
    const wait = async (offset: number) => {
      await reversed(offset);
      if (offset === ranges[1]![0]) throw new Error("lost");
    };
    const { proof } = openOnce({ wait });
    const ends = await Promise.allSettled(ranges.map((range) => proof.read(...range)));
    const lost = ends.flatMap(({ status }, i) => (status === "rejected" ? [i] : []));
    expect(lost).toEqual([1]);
  });

  test("reads the file once more if a part of it was read again", async () => {
    const { proof, readAll, tensor, given } = openOnce();
    await readAll();
    await tensor(3);
    await proof.finish();
    await proof.finish();
    expect(given()).toBe(data + sizes[3]! + size);
    const flips = [{ at: starts[3]! + 5, times: 0 }];
    const flipped = openOnce({ flips });
    await flipped.readAll();
    flips[0]!.times = 1;
    await flipped.proof.read(starts[3]!, sizes[3]!);
    await expect(flipped.proof.finish()).rejects.toThrow(
      `wrong when they were read again, from ${starts[3]} on`,
    );
  });

  test.each([0, 1, 3, 5])("ends with a wrong bit of tensor %i", async (i) => {
    for (const order of [forwards, [5, 4, 3, 2, 1, 0]]) {
      const { proof, tensor } = openOnce({ flips: [{ at: starts[i]! + 5, times: 1 }] });
      const readAll = async () => {
        for (const one of order) await tensor(one);
        await proof.finish();
      };
      await expect(readAll()).rejects.toThrow("were wrong when they were read");
    }
  });
});
