import type { Kernel } from "../kernel/kernel-types.ts";
import { sharedFloats, type Weight, weightRows } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { OutputTensor, PlannedTensor } from "../models/architecture.ts";
import { byRole } from "../models/by-role.ts";
import type { WeightSource } from "../models/run.ts";
import type { Base } from "./base.ts";
import { baseRows, memberRows, type ReadRows, type RowRange } from "./base-rows.ts";
import { nonFiniteWeights } from "./finite.ts";

/** Rows of a matrix that are checked at once: the check copies them. */
const rowsPerCheck = 4096;

/** The weights of an opened base, read from its files when asked. Nothing stays in memory. */
export function baseWeights(
  base: Pick<Base, "tensors" | "checkpoint">,
  kernel: Kernel,
): WeightSource {
  return weightsFrom(base.tensors, baseRows(base.checkpoint, kernel), kernel);
}

/** The same, but throws BAD_CHECKPOINT for values that are not finite, with tensor and place. */
export function finiteWeights(
  base: Pick<Base, "tensors" | "checkpoint">,
  kernel: Kernel,
): WeightSource {
  const read = baseRows(base.checkpoint, kernel);
  const checked: ReadRows = async (tensor, range) => {
    const values = await read(tensor, range);
    await requireFinite(tensor, range, values, kernel);
    return values;
  };
  return weightsFrom(base.tensors, checked, kernel);
}

function weightsFrom(all: readonly PlannedTensor[], read: ReadRows, kernel: Kernel): WeightSource {
  const tensors = byRole(all);
  return {
    async unquantized(layer, role) {
      const tensor = tensors.find(layer, role);
      if (tensor === undefined) return null;
      const rows = memberRows(tensor);
      const members = await Promise.all(
        tensor.sources.map(async (_, member) => {
          const { bytes, dtype } = await read(tensor, { member, start: 0, end: rows });
          return toFloats(bytes, dtype, kernel);
        }),
      );
      return members.length === 1 ? members[0]! : concatenate(members);
    },
    async matrix(layer, role, member = 0, range): Promise<Weight> {
      const tensor = tensors.get(layer, role);
      const [start, end] = range ?? [0, memberRows(tensor)];
      return read(tensor, { member, start, end });
    },
  };
}

async function requireFinite(
  tensor: OutputTensor,
  { member, start }: RowRange,
  values: Weight,
  kernel: Kernel,
): Promise<void> {
  for (let row = 0; row < values.rows; row += rowsPerCheck) {
    const some = weightRows(values, row, Math.min(values.rows, row + rowsPerCheck));
    const { bytes: weights, dtype } = some;
    const { nonFinite } = await kernel.cast({ weights, from: dtype, to: dtype });
    if (nonFinite > 0)
      throw nonFiniteWeights({ tensor, member, row: start + row, values: some }, nonFinite);
  }
}

function concatenate(
  parts: readonly Float32Array<SharedArrayBuffer>[],
): Float32Array<SharedArrayBuffer> {
  const whole = sharedFloats(parts.reduce((sum, part) => sum + part.length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}
