import type { Kernel } from "./kernel-types.ts";
import { mostRows, tileBounds } from "./tiles.ts";

/**
 * Replaces the upper triangle (triangle.ts) of a symmetric H `[d, d]` by that of R: upper
 * triangular with H = RᵀR. Workers share the factor tiles, each
 * holding a few at a time. The result does not depend on which worker computes which tile.
 *
 * `pivot` is null, or the first row whose pivot is not positive and finite. Then H is not positive
 * definite in float32, and `factor` holds neither H nor R.
 */
export async function factorize(
  kernel: Kernel,
  factor: Float32Array<SharedArrayBuffer>,
  d: number,
): Promise<{ pivot: number | null }> {
  const bounds = tileBounds(d, mostRows.factor);
  const count = bounds.length - 1;
  let pivot: number | null = null;
  const finish = async (
    i: number,
    j: number,
    needed: readonly (Promise<void> | undefined)[],
  ): Promise<void> => {
    await Promise.all(needed);
    if (pivot !== null) return;
    const [top, bottom, left, right] = [bounds[i]!, bounds[i + 1]!, bounds[j]!, bounds[j + 1]!];
    pivot =
      (await kernel.run("factorTile", { factor, d, top, bottom, left, right })).pivot ?? pivot;
  };
  // For each column of tiles: the lowest tile requested so far.
  const lowest: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    lowest[i] = finish(i, i, [lowest[i]]);
    for (let j = i + 1; j < count; j++) lowest[j] = finish(i, j, [lowest[i], lowest[j]]);
  }
  await Promise.all(lowest);
  return { pivot };
}
