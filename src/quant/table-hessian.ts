import type { FloatDtype } from "../kernel/dtype.ts";
import { sharedBytes } from "../kernel/matrix.ts";
import type { TuneWalk } from "./block-tuner.ts";
import { nonFiniteWeights } from "./finite.ts";
import { elements } from "./format.ts";
import { collect, type Hessian, makeHessian, newGram } from "./hessian.ts";
import type { PlannedTensor } from "./plan-types.ts";

/**
 * The Hessian that an embedding table is tuned with. Its rows are looked up and not multiplied, so it has no input; but the first
 * block reads them through its norm and its input projections W, and an error e of a row becomes W·(g ⊙ e) there, up to the scale of
 * the norm. So H = Σ over the rows w of those projections (g ⊙ w)(g ⊙ w)ᵀ. Null where the first block has no such projection.
 */
export async function tableHessian({ request, hessianBuffers }: TuneWalk): Promise<Hessian | null> {
  const { base, kernel } = request;
  const first = base.tensors.filter(({ layer }) => layer === 0);
  const readers = first.filter(({ role }) => role.fedBy === "block.in" && role.routed !== true);
  const norm = first.find(({ role }) => role.role.startsWith("norm"));
  if (readers.length === 0 || norm === undefined) return null;
  const factors = await readFloats(request, norm);
  const gram = newGram(hessianBuffers, factors.length);
  for (const reader of readers) {
    const data = await readFloats(request, reader);
    const x = { data, rows: data.length / factors.length, columns: factors.length };
    await kernel.run("scale", { x, factors });
    await collect(kernel, gram, x);
  }
  const none = { target: null, strength: 0 };
  const hessian = await makeHessian(kernel, hessianBuffers, gram, none, request.settings.curvature);
  gram.release();
  return hessian;
}

async function readFloats({ kernel, read }: TuneWalk["request"], tensor: PlannedTensor) {
  const from = tensor.dtype as FloatDtype;
  const count = elements(tensor.shape);
  const bytes = sharedBytes(count * (from === "F32" ? 4 : 2));
  await read(tensor.sources[0]!, 0, bytes.byteLength, bytes);
  const wide = await kernel.cast({ weights: bytes, from, to: "F32" });
  const [source, columns] = [tensor.sources[0]!, tensor.shape.at(-1)!];
  if (wide.nonFinite > 0) {
    throw nonFiniteWeights({ source, row: 0, columns, dtype: from, axes: tensor.shape.length }, bytes, wide.nonFinite);
  }
  return new Float32Array(wide.bytes.buffer as SharedArrayBuffer, wide.bytes.byteOffset, count);
}
