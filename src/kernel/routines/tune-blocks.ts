import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyRectangleIn } from "../arena.ts";
import type { Matrix } from "../matrix.ts";
import type { TuneFrame } from "./tune-frame.ts";

/** Copies the factor into the arena block by block, from the last positions to the first. */
export function eachBlock(
  { data: factor, rows: columns }: Matrix,
  atFactor: number,
  visit: (left: number, right: number) => void,
): void {
  const block = wasm.tune_block_size();
  for (let right = columns; right > 0; right -= block) {
    const left = Math.max(0, right - block);
    const rectangle = { data: factor, columns, top: left, bottom: right, left, right: columns };
    copyRectangleIn(atFactor, rectangle);
    visit(left, right);
  }
}

/** R as a matrix; null without a factor. */
export function factorOf({
  factor,
  columns,
}: Pick<TuneFrame, "factor" | "columns">): Matrix | null {
  return factor && { data: factor, rows: columns, columns };
}
