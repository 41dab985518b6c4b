import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { pieces } from "../ground/pieces.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import { inOrder } from "../kernel/in-order.ts";
import { sharedBytes } from "../kernel/matrix.ts";
import { elements, storedBytes } from "../mlx/format.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { CarriedTensor } from "../models/carried.ts";
import { isContiguous } from "../models/source.ts";
import { copyRows } from "./copy-rows.ts";

/** Bytes that are read at once, and ranges that are read side by side. */
const bytesAtOnce = 4 << 20;
const readsAtOnce = 4;

type Reader = Pick<Checkpoint, "read">;

/** A range of a carried tensor as the tier stores it. */
interface Range {
  readonly tensor: CarriedTensor;
  /** Byte offsets in the tensor; the base has the same bytes there, in another order perhaps. */
  readonly start: number;
  readonly end: number;
}

/** Copies carried tensors into every tier. Each is read once, by range. Throws BAD_CHECKPOINT. */
export async function writeCarried(
  tensors: readonly CarriedTensor[],
  checkpoint: Reader,
  sinks: readonly TierSink[],
): Promise<void> {
  for await (const { range, bytes } of readCarried(tensors, checkpoint))
    await Promise.all(sinks.map((sink) => sink.write(range.tensor.name, range.start, bytes)));
}

/** All bytes of some carried tensors as a tier stores them, in order. */
export function readCarried(tensors: readonly CarriedTensor[], checkpoint: Reader) {
  const ranges = tensors.flatMap(cut);
  const read = async (range: Range) => ({ range, bytes: await readRange(range, checkpoint) });
  return inOrder(
    ranges.map((range) => () => read(range)),
    readsAtOnce,
  );
}

/** Where values move within an entry of the first axis, whole entries are read, else all. */
function cut(tensor: CarriedTensor): Range[] {
  const { shape, source } = tensor;
  const all = storedBytes(tensor);
  const isWithin = source.strides[0] === elements(source.base.slice(1));
  const entry = isContiguous(source) ? 1 : isWithin ? all / shape[0]! : all;
  const size = Math.max(1, Math.floor(bytesAtOnce / entry)) * entry;
  return pieces(all, size).map(([start, end]) => ({ tensor, start, end }));
}

async function readRange({ tensor, start, end }: Range, checkpoint: Reader) {
  const { source, shape, dtype } = tensor;
  const bytes = sharedBytes(end - start);
  await checkpoint.read(source.tensor, start, end - start, bytes);
  if (isContiguous(source)) return bytes;
  const size = bytesPerElement[dtype]!;
  const [from, to] = [start / size, end / size];
  const columns = shape.at(-1)!;
  const part = { bytes, dtype: dtype as FloatDtype, from, to };
  return copyRows(part, source, from / columns, to / columns);
}
