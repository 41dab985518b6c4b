import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { asWeight, bytesOf, floatsOf, type Weight } from "../kernel/matrix.ts";
import { isMxfp4, type Width } from "../kernel/width.ts";
import type { FinishedTensor } from "../mlx/mlx-weights.ts";
import { byRole } from "../models/by-role.ts";
import type { WeightSource } from "../models/run.ts";

/**
 * The base's weights after plain rounding at a finished model's plan. Codes, scales and biases are
 * bit for bit those of `mx.quantize`; unquantized tensors are cast to their stored dtype. Weights
 * are rounded when they are read. Nothing is written or stored.
 */
export function roundedWeights(
  base: WeightSource,
  plan: readonly FinishedTensor[],
  kernel: Kernel,
): WeightSource {
  const tensors = byRole(plan);
  return {
    async unquantized(layer, role) {
      const values = await base.unquantized(layer, role);
      const tensor = tensors.find(layer, role);
      if (values === null || tensor === undefined) return values;
      return floatsOf(await storeAndRead(kernel, asWeight(values, tensor.shape.at(-1)!), tensor));
    },
    async matrix(layer, role, expert, range) {
      const weight = await base.matrix(layer, role, expert, range);
      return storeAndRead(kernel, weight, tensors.get(layer, role));
    },
  };
}

/**
 * The values that a weight has after it was stored as `tensor`, in float32. Only weights whose base
 * has codes of mxfp4 are stored as such, and lose nothing.
 */
async function storeAndRead(
  kernel: Kernel,
  weight: Weight,
  { width, dtype }: FinishedTensor,
): Promise<Weight> {
  const { rows, columns } = weight;
  const store = dtype as FloatDtype;
  const bytes =
    width === undefined || isMxfp4(width)
      ? await castAndBack(kernel, weight, width === undefined ? store : "F32")
      : await roundAndDecode(kernel, weight, width, store);
  return { bytes, dtype: "F32", rows, columns };
}

async function castAndBack(
  kernel: Kernel,
  { bytes: weights, dtype: from }: Weight,
  to: FloatDtype,
): Promise<Weight["bytes"]> {
  const stored = await kernel.cast({ weights, from, to });
  const back = await kernel.cast({ weights: stored.bytes, from: to, to: "F32" });
  return back.bytes as Weight["bytes"];
}

async function roundAndDecode(
  kernel: Kernel,
  { bytes: weights, dtype: from, rows, columns }: Weight,
  width: Width,
  store: FloatDtype,
): Promise<Weight["bytes"]> {
  const job = { weights, from, rows, columns, store, rounding: "mlx", widths: [width] } as const;
  const result = await kernel.quantize(job);
  const values = await kernel.dequantize({ ...result.byWidth[0]!, store, rows, columns });
  result.release();
  return bytesOf(values as Float32Array<SharedArrayBuffer>);
}
