import type { Kernel } from "../kernel/kernel-types.ts";
import type { Leases } from "../kernel/lease.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { WeightSource } from "../models/run.ts";
import { collect, type Hessian, makeHessian, newGram } from "./hessian.ts";
import type { TuningSettings } from "./tuning-settings.ts";

export interface TableRequest {
  /** All tensors of the model. */
  readonly tensors: readonly PlannedTensor[];
  readonly weights: WeightSource;
  readonly kernel: Kernel;
  readonly settings: TuningSettings;
  readonly buffers: Leases;
}

/**
 * The Hessian that an embedding table is tuned with. Its rows are looked up and not multiplied, so it has no input; but the first
 * block reads them through its norm and its input projections W, and an error e of a row becomes W·(g ⊙ e) there, up to the scale of
 * the norm. So H = Σ over the rows w of those projections (g ⊙ w)(g ⊙ w)ᵀ. Null where the first block has no such projection.
 */
export async function tableHessian(request: TableRequest): Promise<Hessian | null> {
  const { tensors, weights, kernel, settings, buffers } = request;
  const first = tensors.filter(({ layer }) => layer === 0);
  const norm = first.find(({ role }) => role.feeds !== undefined);
  const readers = first.filter(
    ({ role }) => role.kind === "linear" && norm?.role.feeds?.includes(role.fedBy!),
  );
  if (readers.length === 0 || norm === undefined) return null;
  const factors = (await weights.kept(0, norm.role.role))!;
  const gram = newGram(buffers, factors.length);
  for (const { role } of readers) {
    const reader = await weights.matrix(0, role.role);
    const data = await toFloats(reader.bytes, reader.dtype, kernel);
    const x = { data, rows: reader.rows, columns: reader.columns };
    await kernel.run("scale", { x, factors });
    await collect(kernel, gram, x);
  }
  const hessian = await makeHessian(
    kernel,
    buffers,
    gram,
    { target: null, strength: 0 },
    settings.curvature,
  );
  gram.release();
  return hessian;
}
