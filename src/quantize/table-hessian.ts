import { newMatrix } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { KeptWeights } from "../models/kept-weights.ts";
import { collect, type Gram, type Hessian, makeHessian, newGram } from "./hessian.ts";
import type { TuningTools } from "./tuning-tools.ts";

/**
 * The second moments that an embedding table is tuned with. Its rows are looked up, not multiplied,
 * so the table has no input. But the first block multiplies them, by its norm's factors g and its
 * input projections W. An error e of a row becomes W·(g ⊙ e), up to the scale of the norm. So H is
 * the sum of (g ⊙ w)(g ⊙ w)ᵀ over the rows w of those projections. `tensors`: all of the model.
 * Null if the first block has no such projection.
 */
export async function tableGram(
  { kernel, hessianBuffers }: Pick<TuningTools, "kernel" | "hessianBuffers">,
  tensors: readonly PlannedTensor[],
  weights: KeptWeights,
): Promise<Gram | null> {
  const first = tensors.filter(({ layer }) => layer === 0);
  const norm = first.find(({ role }) => role.feeds !== undefined);
  const readers = first.filter(
    ({ role }) => role.kind === "linear" && norm?.role.feeds?.includes(role.fedBy!),
  );
  if (readers.length === 0 || norm === undefined) return null;
  const factors = (await weights.unquantized(0, norm.role.role))!;
  const gram = newGram(hessianBuffers, factors.length);
  for (const { role } of readers) {
    const reader = await weights.ahead(role.role);
    const x = newMatrix(reader.rows, reader.columns); // the weights may be the block's own
    x.data.set(await toFloats(reader.bytes, reader.dtype, kernel));
    await kernel.run("scale", { x, factors });
    await collect(kernel, gram, x);
  }
  return gram;
}

/** The Hessian of `tableGram`; null if there is none. */
export async function tableHessian(
  tools: TuningTools,
  tensors: readonly PlannedTensor[],
  weights: KeptWeights,
): Promise<Hessian | null> {
  const gram = await tableGram(tools, tensors, weights);
  if (gram === null) return null;
  const hessian = await hessianOfTable(tools, gram);
  gram.release();
  return hessian;
}

/** The Hessian of a table from its second moments. */
export function hessianOfTable(tools: TuningTools, gram: Gram): Promise<Hessian> {
  return makeHessian(tools, gram, { curvature: tools.settings.curvature });
}
