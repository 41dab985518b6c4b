import { expect, test } from "vitest";
import { mapBounded } from "./bounded.ts";

const turn = (n: number) =>
  new Promise<void>((done) => (n === 0 ? done() : setImmediate(() => turn(n - 1).then(done))));

test("keeps order and limit", async () => {
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 40 }, (_, i) => i);
  const results = await mapBounded(items, 8, async (i) => {
    most = Math.max(most, ++running);
    await turn((i * 7) % 5);
    running--;
    return i * 2;
  });
  expect(results).toEqual(items.map((i) => i * 2));
  expect(most).toBe(8);
});

test("throws the error of the first failing item, even if a later one fails sooner", async () => {
  const started: number[] = [];
  const run = mapBounded([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4, async (i) => {
    started.push(i);
    await turn(i === 3 ? 0 : 10);
    if (i === 1 || i === 3) throw new Error(`item ${i}`);
  });
  await expect(run).rejects.toThrow("item 1");
  expect(started).toEqual([0, 1, 2, 3]);
});

test("does nothing without items", async () => {
  expect(await mapBounded([], 8, async () => 1)).toEqual([]);
});
