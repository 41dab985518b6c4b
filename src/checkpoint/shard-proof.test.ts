import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { data, mebibyte, openShard, size, sizes, starts } from "../../test/support/opened-shard.ts";
import { HeldRuns } from "./held-runs.ts";
import { ShardProof } from "./shard-proof.ts";

test.each(["sha256", "git"])(
  "bytes read in the order of the file are hashed for nothing: %s",
  async (algorithm) => {
    const { proof, readAll, given } = openShard({ algorithm });
    await readAll();
    await proof.finish();
    await readAll([3, 1, 5, 0, 2, 4]);
    await proof.finish();
    expect(given()).toBe(2 * data);
  },
);

test("bytes that come before their turn wait for it", async () => {
  const { proof, readAll, given } = openShard();
  await readAll([5, 4, 3, 1, 0]);
  await proof.finish();
  expect(given()).toBe(data);
});

test("all tensors may be read at the same time", async () => {
  const { proof, tensor, given } = openShard();
  await Promise.all([4, 0, 5, 3, 1, 0, 4].map(tensor));
  await proof.finish();
  expect(given()).toBe(data + sizes[0]! + sizes[4]!);
});

test("what finds no room in memory or outside is read again at the end, and no more", async () => {
  const held = new HeldRuns(sizes[4]!);
  const { proof, readAll, given } = openShard({ held });
  await readAll([5, 4, 3, 1, 0]);
  await proof.finish();
  // Of what came before its turn, the nearest to it that fit were kept: those of tensors 3 and 4.
  expect(given()).toBeGreaterThan(data);
  expect(given()).toBeLessThanOrEqual(data + sizes[5]! + sizes[4]! + sizes[3]!);
  const reader = openShard();
  await reader.tensor(3);
  await reader.proof.finish();
  expect(reader.given()).toBe(data); // what nobody reads is a part of the file, too
});

test("a place outside of memory takes what memory cannot", async () => {
  const held = new HeldRuns(1000);
  let kept = 0;
  let most = 0;
  held.useOutside({
    most: data,
    keep: async (bytes) => {
      const copy = Buffer.from(bytes);
      kept += copy.length;
      most = Math.max(most, kept);
      return {
        read: async (into) => void copy.copy(into),
        drop: async () => {
          kept -= copy.length;
        },
      };
    },
  });
  const { proof, readAll, given } = openShard({ held });
  await readAll([5, 4, 3, 1, 0]);
  await proof.finish();
  expect(given()).toBe(data);
  expect(most).toBe(sizes[5]! + sizes[4]! + sizes[3]!); // 1000 bytes fit in memory
  expect(kept).toBe(0);
});

test("a place that fails costs a second reading, not the run", async () => {
  const held = new HeldRuns(1000);
  held.useOutside({ most: data, keep: () => Promise.reject(new Error("the disk is full")) });
  const { proof, readAll, given } = openShard({ held });
  await readAll([5, 4, 3, 1, 0]);
  await proof.finish();
  expect(given()).toBeGreaterThan(data);
});

test("tensors may be read in parts, in any order and with other cuts the second time", async () => {
  const { proof, given } = openShard();
  const cuts = (i: number, step: number) =>
    Array.from({ length: Math.ceil(sizes[i]! / step) }, (_, k) => {
      const from = k * step;
      return [starts[i]! + from, Math.min(step, sizes[i]! - from)] as const;
    });
  const [start, length] = [starts[0]!, sizes[0]!];
  for (const range of cuts(0, 700_001).reverse()) await proof.read(...range);
  for (const range of cuts(5, 999_999)) await proof.read(...range);
  for (const i of [1, 3, 4]) await proof.read(starts[i]!, sizes[i]!);
  await proof.finish();
  expect(given()).toBe(data);
  for (const range of cuts(0, 123_457)) await proof.read(...range);
  await proof.read(start + 10, 10); // a part that nobody completes: its piece is read
  await proof.finish();
  expect(given()).toBe(data + length + 10 + mebibyte);
});

const names = /model\.safetensors/;

test("a bit that is wrong in the first reading ends the run when the file is hashed", async () => {
  const { proof, readAll, tensor } = openShard({ flips: [{ at: starts[3]! + 5, times: 1 }] });
  await tensor(0);
  await tensor(1);
  await tensor(3);
  await tensor(4);
  const wrong = `from ${starts[3]} on`;
  await expect(tensor(5)).rejects.toThrow(wrong);
  await expect(proof.finish()).rejects.toThrow(wrong);
  await expect(proof.finish()).rejects.toThrow(names);
  await expect(readAll([3])).rejects.toThrow("differ");
});

test("a bit that is wrong in a later reading is corrected before anybody uses it", async () => {
  const flips = [{ at: starts[0]! + 5 + mebibyte, times: 0 }];
  const { proof, readAll, again } = openShard({ flips });
  await readAll();
  flips[0]!.times = 1;
  await readAll();
  await proof.finish();
  expect(again()).toBe(mebibyte);
  flips[0]!.times = 2;
  await expect(readAll()).rejects.toThrow(
    `bytes ${starts[0]! + mebibyte} to ${starts[0]! + 2 * mebibyte} of acme/m@c/model.safetensors`,
  );
});

test("a bit that is always wrong is wrong by the listed hash", async () => {
  const { proof, tensor } = openShard({ flips: [{ at: starts[4]!, times: 100 }] });
  await tensor(4);
  await tensor(4);
  await expect(proof.finish()).rejects.toThrow("does not have the bytes of its commit");
});

test("a wrong bit of a part ends the run; of what nobody uses, another reading counts", async () => {
  const part = openShard({ flips: [{ at: starts[0]! + 100, times: 1 }] });
  await part.proof.read(starts[0]!, 1000);
  await expect(part.proof.finish()).rejects.toThrow("differ");
  const gap = openShard({ flips: [{ at: starts[1]!, times: 1 }] });
  await gap.tensor(0);
  await gap.proof.finish();
  expect(gap.again()).toBe(size);
  await gap.readAll();
  const always = openShard({ flips: [{ at: starts[1]!, times: 2 }] });
  await always.tensor(0);
  await expect(always.proof.finish()).rejects.toThrow("does not have the bytes of its commit");
});

test("experts in the order of their names wait outside of memory, and are read once", async () => {
  const each = 2 * 1024;
  const walk = Array.from({ length: 128 }, (_, e) => [`${e}.down`, `${e}.up`]).flat();
  const inFile = [...walk].sort();
  const bytes = Buffer.from(inFile.map((name) => name.padEnd(each, name)).join(""));
  let given = 0;
  let inFiles = 0;
  const source = {
    name: "experts",
    size: bytes.length,
    read: async (offset: number, length: number) => {
      given += length;
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
  const value = createHash("sha256").update(bytes).digest("hex");
  const bounds = [...inFile.map((_, i) => i * each), bytes.length];
  const readThrough = async (most: number) => {
    const held = new HeldRuns(0);
    held.useOutside({
      most,
      keep: async (some) => {
        const copy = Buffer.from(some);
        inFiles = Math.max(inFiles, copy.length);
        return { read: async (into) => void copy.copy(into), drop: async () => {} };
      },
    });
    const listed = { algorithm: "sha256", value } as const;
    const proof = new ShardProof({ source, listed, head: bytes.subarray(0, 0), bounds }, held);
    given = 0;
    for (const name of walk) await proof.read(inFile.indexOf(name) * each, each);
    await proof.finish();
    return given / bytes.length;
  };
  // All but a fifth of the experts come before their turn.
  expect(await readThrough(0.8 * bytes.length)).toBe(1);
  expect(await readThrough(0.1 * bytes.length)).toBeGreaterThan(1);
  expect(await readThrough(0)).toBeLessThan(2);
  expect(inFiles).toBe(each);
});
