import { expect, test } from "vitest";
import { neighboursOf, readNeighbours } from "./neighbours.ts";

const entry = (file: string, name: string, start: number, end: number) => {
  return { file, name, start, end, dtype: "I64", shape: [end - start] };
};

const runs = neighboursOf([
  entry("b", "four", 8, 10),
  entry("a", "three", 30, 31),
  entry("a", "two", 12, 20),
  entry("a", "one", 10, 12),
]);

test("tensors without a gap between them are a run, in the order of files and bytes", () => {
  expect(runs.map(({ file, tensors }) => [file, ...tensors.map(({ name }) => name)])).toEqual([
    ["a", "one", "two"],
    ["a", "three"],
    ["b", "four"],
  ]);
});

test("a run is read with one request", async () => {
  const asked: unknown[] = [];
  const read = async (file: string, start: number, length: number) => {
    asked.push([file, start, length]);
    return Uint8Array.from({ length }, (_, i) => start + i);
  };
  const found = await readNeighbours(runs, read);
  expect(asked).toEqual([
    ["a", 10, 10],
    ["a", 30, 1],
    ["b", 8, 2],
  ]);
  expect([...found].map(([name, bytes]) => [name, ...bytes])).toEqual([
    ["one", 10, 11],
    ["two", 12, 13, 14, 15, 16, 17, 18, 19],
    ["three", 30],
    ["four", 8, 9],
  ]);
});
