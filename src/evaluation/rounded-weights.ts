import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { asWeight, bytesOf, floatsOf, type Weight } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import type { FinishedTensor } from "../mlx/mlx-weights.ts";
import { byRole } from "../models/by-role.ts";
import type { WeightSource } from "../models/run.ts";

/**
 * The base's weights as plain rounding at a finished model's plan would leave them: codes, scales and biases bit for bit those of
 * `mx.quantize`, kept tensors cast as they are stored. Made when asked for; nothing is written or kept.
 */
export function roundedWeights(
  base: WeightSource,
  plan: readonly FinishedTensor[],
  kernel: Kernel,
): WeightSource {
  const tensors = byRole(plan);
  return {
    async kept(layer, role) {
      const values = await base.kept(layer, role);
      const tensor = tensors.find(layer, role);
      if (values === null || tensor === undefined) return values;
      return floatsOf(await stored(asWeight(values, tensor.shape.at(-1)!), tensor));
    },
    async matrix(layer, role, expert, range) {
      return stored(await base.matrix(layer, role, expert, range), tensors.get(layer, role));
    },
  };

  async function stored(weight: Weight, { width, dtype }: FinishedTensor): Promise<Weight> {
    const { rows, columns } = weight;
    const bytes =
      width === undefined
        ? await cast(weight, dtype as FloatDtype)
        : await round(weight, width, dtype as FloatDtype);
    return { bytes, dtype: "F32", rows, columns };
  }

  async function cast(
    { bytes: weights, dtype: from }: Weight,
    to: FloatDtype,
  ): Promise<Weight["bytes"]> {
    const narrow = await kernel.cast({ weights, from, to });
    return (await kernel.cast({ weights: narrow.bytes, from: to, to: "F32" }))
      .bytes as Weight["bytes"];
  }

  async function round(
    { bytes: weights, dtype: from, rows, columns }: Weight,
    width: Width,
    store: FloatDtype,
  ) {
    const job = { weights, from, rows, columns, store, rounding: "mlx", widths: [width] } as const;
    const result = await kernel.quantize(job);
    const values = await kernel.dequantize({ ...result.tiles[0]!, store, rows, columns });
    result.release();
    return bytesOf(values as Float32Array<SharedArrayBuffer>);
  }
}
