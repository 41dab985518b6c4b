import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { asWeight, sharedBytes, type Weight, weightRows } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import { byRole } from "../models/by-role.ts";
import type { WeightSource } from "../models/run.ts";
import type { Base } from "./base.ts";
import { nonFiniteWeights } from "./finite.ts";

/** A matrix's rows that are looked through at once: checking copies them. */
const rowsPerCheck = 4096;

/** The weights of an opened base, read from its files when asked: nothing is kept in memory. */
export function baseWeights(
  base: Pick<Base, "tensors" | "checkpoint">,
  kernel: Kernel,
): WeightSource {
  const { checkpoint } = base;
  const tensors = byRole(base.tensors);
  const read = async (name: string, offset: number, bytes: number) => {
    const into = sharedBytes(bytes);
    await checkpoint.read(name, offset, bytes, into);
    return into;
  };
  return {
    async kept(layer, role) {
      const tensor = tensors.find(layer, role);
      if (tensor === undefined) return null;
      const [name] = tensor.sources;
      const { start, end } = checkpoint.tensors.get(name!)!;
      return toFloats(await read(name!, 0, end - start), tensor.dtype as FloatDtype, kernel);
    },
    async matrix(layer, role, expert = 0, range): Promise<Weight> {
      const tensor = tensors.get(layer, role);
      const [rows, columns] = tensor.shape.slice(-2) as [number, number];
      const [start, end] = range ?? [0, rows];
      const rowBytes = columns * bytesPerElement[tensor.dtype]!;
      const bytes = await read(tensor.sources[expert]!, start * rowBytes, (end - start) * rowBytes);
      return { bytes, dtype: tensor.dtype as FloatDtype, rows: end - start, columns };
    },
  };
}

/** The same, but refuses what is not finite by name. Throws BAD_CHECKPOINT. */
export function finiteWeights(
  base: Pick<Base, "tensors" | "checkpoint">,
  kernel: Kernel,
): WeightSource {
  const weights = baseWeights(base, kernel);
  const tensors = byRole(base.tensors);
  const check = async (source: string, start: number, weight: Weight, axes: number) => {
    const { bytes, dtype, columns } = weight;
    for (let row = 0; row < weight.rows; row += rowsPerCheck) {
      const some = weightRows(weight, row, Math.min(weight.rows, row + rowsPerCheck));
      const { nonFinite } = await kernel.cast({ weights: some.bytes, from: dtype, to: dtype });
      if (nonFinite > 0)
        throw nonFiniteWeights({ source, row: start, columns, dtype, axes }, bytes, nonFinite);
    }
    return weight;
  };
  return {
    async kept(layer, role) {
      const values = await weights.kept(layer, role);
      if (values === null) return null;
      const { sources, shape } = tensors.get(layer, role);
      await check(sources[0]!, 0, asWeight(values, shape.at(-1)!), shape.length);
      return values;
    },
    async matrix(layer, role, expert = 0, range) {
      const weight = await weights.matrix(layer, role, expert, range);
      return check(tensors.get(layer, role).sources[expert]!, range?.[0] ?? 0, weight, 2);
    },
  };
}
