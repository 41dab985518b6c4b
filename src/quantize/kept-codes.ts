import { OqeError } from "../ground/errors.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { floatsOf, newMatrix, type Weight } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { PlannedTensor } from "../models/architecture.ts";

/** Rows of a stored tensor, which stacks all members. */
export interface StoredPlace {
  readonly tensor: PlannedTensor;
  /** The first of them. */
  readonly row: number;
}

/**
 * Writes rows with the codes that the base has, bit for bit. Throws INTERNAL if they were lost on
 * the way here.
 */
export async function writeCodes(
  sink: TierSink,
  { tensor, row }: StoredPlace,
  { codes, rows }: Weight,
): Promise<void> {
  if (codes === undefined)
    throw new OqeError("INTERNAL", `${tensor.name}: its rows have no codes of the base`);
  const path = modulePath(tensor);
  for (const [name, bytes] of Object.entries({ weight: codes.words, scales: codes.scales }))
    await sink.write(`${path}.${name}`, row * (bytes.byteLength / rows), bytes);
}

/** Σ w² of decoded rows, and how many of their values are NaN or infinite. */
export async function energyOf(
  kernel: Kernel,
  weight: Weight,
): Promise<{ readonly energy: number; readonly nonFinite: number }> {
  const { bytes: weights, rows, columns } = weight;
  const { nonFinite } = await kernel.cast({ weights, from: "F32", to: "F32" });
  const from = { data: floatsOf(weight), rows, columns };
  const { squares } = await kernel.run("subtract", { x: newMatrix(rows, columns), from });
  return { energy: squares, nonFinite };
}
