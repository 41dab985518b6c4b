import type { Kernel } from "../kernel/kernel-types.ts";
import { newMatrix, sharedBytes, type Weight } from "../kernel/matrix.ts";

/** `y = x · Wᵀ` of one job: as wide as a small model's, so that it runs in about 10 ms. */
const [rows, columns, outputs] = [256, 1024, 512];
const operations = 2 * rows * columns * outputs;
/** Longest time of a calibration. */
const mostSeconds = 1;
/** Operations a second of a usual core, for the share of the run that it may take. */
const usual = 40e9;

/**
 * Operations that all workers together make in a second, in matrix products. Takes a second, or a
 * hundredth of a run of `planned` operations. Only estimates may depend on it.
 */
export async function measureSpeed(kernel: Kernel, planned: number): Promise<number> {
  const weight: Weight = {
    bytes: sharedBytes(2 * outputs * columns),
    dtype: "BF16",
    rows: outputs,
    columns,
  };
  const work = async (until: () => boolean) => {
    const [x, y] = [newMatrix(rows, columns), newMatrix(rows, outputs)];
    let done = 0;
    do {
      await kernel.run("linear", { x, rows: null, weight, bias: null, y });
      done++;
    } while (!until());
    return done;
  };
  const all = (until: () => boolean) =>
    Promise.all(Array.from({ length: kernel.workers }, () => work(until)));
  await all(() => true); // starts the workers
  const seconds = Math.min(mostSeconds, planned / usual / 100);
  const start = performance.now();
  const done = await all(() => performance.now() - start > 1000 * seconds);
  const took = (performance.now() - start) / 1000;
  return (done.reduce((sum, jobs) => sum + jobs, 0) * operations) / took;
}
