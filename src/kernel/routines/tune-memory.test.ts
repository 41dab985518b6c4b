import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { rowsAtOnce, tuningMemory } from "./tune-memory.ts";

const constants = readFileSync(
  new URL("../../../kernel-wasm/src/tuning.rs", import.meta.url),
  "utf8",
);
const constant = (name: string) =>
  Number(new RegExp(`const ${name}: usize = (\\d+);`).exec(constants)![1]);

test("the second derivatives are those of the columns that descent checks", () => {
  const [whole, window, block] = ["WHOLE", "WINDOW", "BLOCK"].map(constant) as [
    number,
    number,
    number,
  ];
  const derivatives = (columns: number) =>
    tuningMemory(columns) - tuningMemory(0) - 8 * block * columns;
  expect(derivatives(whole)).toBe(4 * whole ** 2);
  expect(derivatives(whole + 1)).toBe(4 * window ** 2);
});

test("a matrix as wide as any takes no more of a worker than one of 5,120 columns", () => {
  expect(tuningMemory(28_672)).toBeLessThan(tuningMemory(5120));
  expect(tuningMemory(28_672)).toBeLessThan(200e6);
});

test("rows fill the memory that they may take, in sixteens", () => {
  const task = { bits: 4, groupSize: 64, sweeps: 2 } as const;
  // Two copies of the weights, errors, codes and their result; gradients of 1,024 columns.
  const each = 18_944 * (8 + 8 + 0.5) + 12 * 1024;
  const rows = rowsAtOnce(18_944, [task], { sources: 1 });
  expect(rows).toBe(Math.floor(120e6 / each / 16) * 16);
  expect(rowsAtOnce(2 ** 20, [task], { sources: 1 })).toBe(16);
});
