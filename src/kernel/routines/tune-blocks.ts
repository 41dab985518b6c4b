import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyTriangleIn } from "../arena.ts";
import type { TuneFrame } from "./tune-frame.ts";

/** Copies the factor into the arena block by block, from the last positions to the first. */
export function eachBlock(
  { factor, columns }: Factor,
  atFactor: number,
  visit: (left: number, right: number) => void,
): void {
  const block = wasm.tune_block_size();
  for (let right = columns; right > 0; right -= block) {
    const left = Math.max(0, right - block);
    const rows = { data: factor, d: columns, top: left, bottom: right };
    copyTriangleIn(atFactor, { ...rows, left, right: columns });
    visit(left, right);
  }
}

/** R `[columns, columns]`: its upper triangle. */
interface Factor {
  readonly factor: Float32Array<SharedArrayBuffer>;
  readonly columns: number;
}

/** R; null without a factor. */
export function factorOf({
  factor,
  columns,
}: Pick<TuneFrame, "factor" | "columns">): Factor | null {
  return factor && { factor, columns };
}
