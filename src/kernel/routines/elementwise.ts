import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, Layout } from "../arena.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/**
 * Changes every element of a matrix in place. Most kinds read a second matrix of the same shape.
 */
export type ElementwiseJob =
  /** x = max(x, 0)² */
  | { readonly what: "relu_squared"; readonly x: Matrix }
  /** x = SiLU(x) · by */
  | { readonly what: "swiglu"; readonly x: Matrix; readonly by: Matrix }
  /** x = x + by */
  | { readonly what: "add"; readonly x: Matrix; readonly by: Matrix };

/** Elements in the arena at once. */
const slab = 32 * 1024;

export const elementwise: Routine<ElementwiseJob, void> = {
  describe: ({ what, x }) => `${what} of ${x.rows}x${x.columns}`,
  check(job, fail) {
    const { x } = job;
    checkMatrix("x", x, [x.rows, x.columns], fail);
    if (job.what !== "relu_squared") checkMatrix("the other", job.by, [x.rows, x.columns], fail);
  },
  run(job) {
    const layout = new Layout();
    const [first, second] = [layout.place(4 * slab), layout.place(4 * slab)];
    const base = layout.claim();
    const x = bytesOf(job.x.data);
    for (let start = 0; start < job.x.data.length; start += slab) {
      const end = Math.min(job.x.data.length, start + slab);
      copyIn(base + first, x, 4 * start, 4 * end);
      if (job.what !== "relu_squared")
        copyIn(base + second, bytesOf(job.by.data), 4 * start, 4 * end);
      apply(job.what, base + first, base + second, end - start);
      copyOut(base + first, x, 4 * start, 4 * end);
    }
  },
};

function apply(what: ElementwiseJob["what"], x: number, by: number, count: number): void {
  switch (what) {
    case "relu_squared":
      wasm.relu_squared(x, count);
      break;
    case "swiglu":
      wasm.swiglu(x, by, count);
      break;
    case "add":
      wasm.add(x, by, count);
  }
}
