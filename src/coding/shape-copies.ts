import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { neighboursOf } from "../checkpoint/neighbours.ts";
import { OqeError } from "../ground/errors.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { BaseTensors } from "./coding.ts";

/**
 * Requests for shapes before anything else is read. compressed-tensors writes the shapes of a shard
 * beside each other, so this is the number of shards; of other writers, some shapes are compared
 * when their codes are read.
 */
const mostRuns = 64;

/**
 * Compares the shapes that compressed-tensors repeats in tensors of whole numbers with those of the
 * codes. Gives the tensors without the copies that were compared. Throws BAD_CHECKPOINT.
 */
export async function checkShapeCopies(
  checkpoint: Checkpoint,
  values: BaseTensors,
): Promise<BaseTensors> {
  const copies = [...values].flatMap(([values, { shape, coding }]) => {
    const copy = coding?.shapeCopy ?? null;
    return copy === null ? [] : [{ values, shape, tensor: checkpoint.tensors.get(copy)! }];
  });
  if (copies.length === 0 || checkpoint.headerOnly) return values;
  const runs = neighboursOf(copies.map(({ tensor }) => tensor)).slice(0, mostRuns);
  const found = await checkpoint.readNeighbours(runs);
  const checked = new Set<string>();
  for (const { values, shape, tensor } of copies) {
    const bytes = found.get(tensor.name);
    if (bytes === undefined) continue;
    compareShapeCopy({ ...tensor, bytes }, values, shape);
    checked.add(values);
  }
  return new Map(
    [...values].map(([name, tensor]) => {
      const { coding } = tensor;
      const isDone = coding !== undefined && checked.has(name);
      return [name, isDone ? { ...tensor, coding: { ...coding, shapeCopy: null } } : tensor];
    }),
  );
}

/** Throws BAD_CHECKPOINT where a copy of the shape of `values` has other numbers. */
export function compareShapeCopy(
  copy: { readonly name: string; readonly dtype: string; readonly bytes: Uint8Array },
  values: string,
  shape: readonly number[],
): void {
  const { name, dtype, bytes } = copy;
  const size = bytesPerElement[dtype]!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = shape.map((_, axis) => {
    return size === 8 ? view.getBigInt64(8 * axis, true) : BigInt(view.getInt32(4 * axis, true));
  });
  if (found.every((one, axis) => one === BigInt(shape[axis]!))) return;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `tensor "${name}" says that "${values}" has shape [${found.join(", ")}], but its codes ` +
      `and scales give [${shape.join(", ")}]`,
    "Download the model again. If the error stays, report it to the model's authors.",
  );
}
