import type { Base } from "../base/base.ts";
import { sum } from "../ground/sum.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Width } from "../kernel/width.ts";
import { elements, isAligned, storedTensors, unquantizedDtype } from "../mlx/format.ts";
import type { FinishedTensor } from "../mlx/mlx-weights.ts";
import type { PlannedTensor } from "../models/architecture.ts";

/** The defaults of `mlx_lm.convert -q`. */
export const stockWidth: Width = { bits: 4, groupSize: 64 };

/** The quant that `mlx_lm.convert -q` makes of a base with its defaults. */
export interface StockQuant {
  readonly tensors: readonly FinishedTensor[];
  /** Of all tensor data. */
  readonly bytes: number;
  /** Bits per weight over all tensors. */
  readonly fileBpw: number;
}

/**
 * Its tensors and their sizes: 4 bits in groups of 64 for every matrix whose rows are whole
 * groups, embeddings and head included; mxfp4 weights as they are. Other widths are those of the
 * model's own predicate in mlx-lm.
 */
export function stockQuant({ tensors, storage }: Pick<Base, "tensors" | "storage">): StockQuant {
  const finished = tensors.map((tensor) => {
    const width = stockWidthOf(tensor);
    const dtype = width === undefined ? unquantizedDtype(tensor, storage) : storage;
    return { ...tensor, width, dtype };
  });
  const bytes = sum(finished, (tensor) => {
    if (isKept(tensor)) return (elements(tensor.shape) * 17) / 32;
    return sum(
      storedTensors(tensor, tensor.width, storage),
      ({ dtype, shape }) => elements(shape) * bytesPerElement[dtype]!,
    );
  });
  const parameters = sum(tensors, ({ shape }) => elements(shape));
  return { tensors: finished, bytes, fileBpw: (8 * bytes) / parameters };
}

/** mlx-lm passes mxfp4 through: 4 bits a weight, and a byte for 32. */
const isKept = ({ sources }: PlannedTensor) => sources[0]?.coding?.format === "fp4";

function stockWidthOf(tensor: PlannedTensor): Width | undefined {
  const { role, shape } = tensor;
  if (isKept(tensor)) return undefined;
  const width = role.treatment === "quantized" ? stockWidth : role.stockWidth;
  return width !== undefined && isAligned(shape, width.groupSize) ? width : undefined;
}
