import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { OqeError } from "../ground/errors.ts";
import { pieces } from "../ground/pieces.ts";
import { sum } from "../ground/sum.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import { inOrder } from "../kernel/in-order.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { sharedBytes } from "../kernel/matrix.ts";
import { elements, storedBytes } from "../mlx/format.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { CarriedTensor } from "../models/carried.ts";
import { isContiguous, type Source, tensorsOf } from "../models/source.ts";
import type { Base } from "./base.ts";
import { copyRows } from "./copy-rows.ts";
import { readCoded } from "./read-coded.ts";

/** Bytes that are read at once, and ranges that are read side by side. */
const bytesAtOnce = 4 << 20;
const readsAtOnce = 4;

type Reader = Pick<Checkpoint, "read" | "tensors">;

/** A range of a carried tensor as the tier stores it. */
interface Range {
  readonly tensor: CarriedTensor;
  /** Byte offsets in the tensor of the tier. */
  readonly start: number;
  readonly end: number;
}

/**
 * Copies the carried tensors of a base into every tier, codes as their values. Each is read once,
 * by range, and those that every tier has from an earlier run are not read. Throws BAD_CHECKPOINT.
 */
export async function writeCarried(
  { carried, checkpoint }: Pick<Base, "carried" | "checkpoint">,
  kernel: Kernel,
  sinks: readonly TierSink[],
): Promise<void> {
  const missing = carried.filter(({ name }) => sinks.some((sink) => !sink.has(name)));
  for await (const { range, bytes } of readCarried(missing, checkpoint, kernel))
    await Promise.all(sinks.map((sink) => sink.write(range.tensor.name, range.start, bytes)));
}

/** Bytes that are read of a base for its carried tensors. */
export function bytesToCarry({ carried, checkpoint }: Pick<Base, "carried" | "checkpoint">) {
  const names = carried.flatMap(({ source }) => tensorsOf(source));
  return sum(names, (name) => {
    const { start, end } = checkpoint.tensors.get(name)!;
    return end - start;
  });
}

/** All bytes of some carried tensors as a tier stores them, in order. Throws BAD_CHECKPOINT. */
export function readCarried(tensors: readonly CarriedTensor[], checkpoint: Reader, kernel: Kernel) {
  const read = async (range: Range) => ({
    range,
    bytes:
      range.tensor.source.coding === null
        ? await readCopy(range, checkpoint)
        : await readValues(range, checkpoint, kernel),
  });
  return inOrder(
    tensors.flatMap(cut).map((range) => () => read(range)),
    readsAtOnce,
  );
}

/**
 * Where values move within an entry of the first axis, whole entries are read, else all. Of codes,
 * rows of one matrix are read.
 */
function cut(tensor: CarriedTensor): Range[] {
  const { shape, source } = tensor;
  const all = storedBytes(tensor);
  if (source.coding !== null) {
    const row = shape.at(-1)! * bytesPerElement[tensor.dtype]!;
    const matrix = row * shape.at(-2)!;
    return pieces(all, matrix).flatMap(([top]) =>
      pieces(matrix, wholeEntries(row)).map(([start, end]) => {
        return { tensor, start: top + start, end: top + end };
      }),
    );
  }
  const isWithin = source.strides[0] === elements(source.base.slice(1));
  const entry = isContiguous(source) ? 1 : isWithin ? all / shape[0]! : all;
  return pieces(all, wholeEntries(entry)).map(([start, end]) => ({ tensor, start, end }));
}

/** The most bytes to read at once that are whole entries of a size. */
function wholeEntries(entry: number): number {
  return Math.max(1, Math.floor(bytesAtOnce / entry)) * entry;
}

async function readCopy({ tensor, start, end }: Range, checkpoint: Reader) {
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

/** Decodes rows, and rounds them to the dtype of the tier. */
async function readValues(
  { tensor: { source, dtype }, start, end }: Range,
  checkpoint: Reader,
  kernel: Kernel,
) {
  const size = bytesPerElement[dtype]!;
  const coded = { ...source, coding: source.coding! };
  const part = await readCoded(checkpoint, kernel, coded, [start / size, end / size]);
  const to = dtype as FloatDtype;
  const { bytes, nonFinite } = await kernel.cast({ weights: part.bytes, from: part.dtype, to });
  if (nonFinite > 0) throw notFinite(source, nonFinite, dtype);
  return bytes;
}

function notFinite(source: Source, count: number, dtype: string): OqeError {
  const names = tensorsOf(source).map((name) => `"${name}"`);
  return new OqeError(
    "BAD_CHECKPOINT",
    `tensor ${names.join(" with scales ")} holds ${count} values that are NaN, infinite or beyond ` +
      `the range of ${dtype}`,
    "Check the download, or report it to the model's authors.",
  );
}
