import { describe, expect, test } from "vitest";
import { data, forwards, openShard, size, sizes, starts } from "../../test/support/opened-shard.ts";
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
