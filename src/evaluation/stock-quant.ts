import type { Base } from "../base/base.ts";
import { sum } from "../ground/sum.ts";
import { mxfp4Width, type Width } from "../kernel/width.ts";
import {
  elements,
  isAligned,
  storedBytes,
  storedTensors,
  unquantizedDtype,
} from "../mlx/format.ts";
import type { FinishedTensor } from "../mlx/mlx-weights.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { keepsCodes } from "../models/source.ts";

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
  const bytes = sum(finished, (tensor) =>
    sum(storedTensors(tensor, tensor.width, storage), storedBytes),
  );
  const parameters = sum(tensors, ({ shape }) => elements(shape));
  return { tensors: finished, bytes, fileBpw: (8 * bytes) / parameters };
}

function stockWidthOf(tensor: PlannedTensor): Width | undefined {
  const { role, shape } = tensor;
  if (keepsCodes(tensor)) return mxfp4Width;
  const width = role.treatment === "quantized" ? stockWidth : role.stockWidth;
  return width !== undefined && isAligned(shape, width.groupSize) ? width : undefined;
}
