import {
  add,
  clamped_swiglu as clampedSwiglu,
  swiglu,
} from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, Layout } from "../arena.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Changes every element of x. */
export interface ElementwiseJob {
  /**
   * `swiglu`: x = SiLU(x) · by; `clampedSwiglu`: that of gpt-oss (activate.rs); `add`: x = x + by.
   */
  readonly what: keyof typeof operations;
  readonly x: Matrix;
  /** Of the same shape. */
  readonly by: Matrix;
}

const operations = { add, swiglu, clampedSwiglu };

/** Elements in the arena at once. */
const slab = 32 * 1024;

export const elementwise: Routine<ElementwiseJob, void> = {
  describe: ({ what, x }) => `${what} of ${x.rows}x${x.columns}`,
  check({ x, by }, fail) {
    checkMatrix("x", x, [x.rows, x.columns], fail);
    checkMatrix("the other", by, [x.rows, x.columns], fail);
  },
  run(job) {
    const layout = new Layout();
    const [first, second] = [layout.place(4 * slab), layout.place(4 * slab)];
    const base = layout.claim();
    const x = bytesOf(job.x.data);
    for (let start = 0; start < job.x.data.length; start += slab) {
      const end = Math.min(job.x.data.length, start + slab);
      copyIn(base + first, x, 4 * start, 4 * end);
      copyIn(base + second, bytesOf(job.by.data), 4 * start, 4 * end);
      operations[job.what](base + first, base + second, end - start);
      copyOut(base + first, x, 4 * start, 4 * end);
    }
  },
};
