import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { asWeight, newMatrix, sharedBytes, type Weight } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { OutputTensor, PlannedTensor } from "../models/architecture.ts";
import { isContiguous, isTransposed, keepsMxfp4, rowStart, type Source } from "../models/source.ts";
import { type BasePart, copyCodes, copyRows } from "./copy-rows.ts";
import { readCoded } from "./read-coded.ts";

/** Rows `[start, end)` of one member of a stack. Rows are all axes but the last. */
export interface RowRange {
  /** Number in the stack; 0 for a tensor that is not a stack. */
  readonly member: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Reads rows of an MLX tensor from the base: `[end - start, columns]` in the tensor's `dtype`.
 * Values keep their bits, except where a transform computes: those are float32. Those of mxfp4 come
 * with their codes.
 * `into`: memory that the bytes may be read into; the answer lies there or elsewhere.
 * Throws BAD_CHECKPOINT, NETWORK.
 */
export type ReadRows = (
  tensor: OutputTensor,
  range: RowRange,
  into?: Uint8Array<SharedArrayBuffer>,
) => Promise<Weight>;

/** The one reader of a base's weights. No other code knows where values lie in the base's files. */
export function baseRows(
  checkpoint: Pick<Checkpoint, "read" | "tensors">,
  kernel: Kernel,
): ReadRows {
  const readFloats = async (
    name: string,
    [from, to]: readonly [number, number],
    into?: Uint8Array<SharedArrayBuffer>,
  ): Promise<BasePart> => {
    const dtype = checkpoint.tensors.get(name)!.dtype as FloatDtype;
    const size = bytesPerElement[dtype]!;
    const length = (to - from) * size;
    const given = into !== undefined && into.length >= length ? into.subarray(0, length) : null;
    const bytes = given ?? sharedBytes(length);
    await checkpoint.read(name, from * size, length, bytes);
    return { bytes, dtype, from, to };
  };
  return async (tensor, { member, start, end }, into) => {
    const source = tensor.sources[member]!;
    const columns = columnsOf(tensor);
    const span = spanOf(source, start, end);
    const { coding } = source;
    const coded =
      coding === null ? null : await readCoded(checkpoint, kernel, { ...source, coding }, span);
    const part = coded ?? (await readFloats(source.tensor, span, into));
    const isWhole = isContiguous(source) && part.from === span[0] && part.to === span[1];
    const bytes = isWhole ? part.bytes : copyRows(part, source, start, end);
    const weight = { bytes, dtype: part.dtype, rows: end - start, columns };
    if (coded !== null && keepsMxfp4(source))
      return { ...weight, codes: copyCodes(coded, source, start, end) };
    if (source.plus === 0) return weight;
    const values = await toFloats(bytes, part.dtype, kernel);
    await add(source.plus, values, kernel);
    return asWeight(values, columns);
  };
}

/** Rows of one member: the product of all axes except the last and that of the stack. */
export function memberRows(tensor: OutputTensor): number {
  const rows = tensor.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  return rows / tensor.sources.length;
}

/** Size of the last axis. */
export function columnsOf(tensor: Pick<OutputTensor, "shape">): number {
  return tensor.shape.at(-1)!;
}

/**
 * How many rows to read at once so that they take about `bytes`. A transposed member is read whole:
 * any of its rows needs all of the base's.
 */
export function rowsPerRead(tensor: PlannedTensor, bytes: number): number {
  if (tensor.sources.some(isTransposed)) return memberRows(tensor);
  return Math.max(1, Math.floor(bytes / (columnsOf(tensor) * bytesPerElement[tensor.dtype]!)));
}

/** Elements `[from, to)` of the base tensor: the fewest that hold rows `[start, end)`. */
function spanOf(source: Source, start: number, end: number): readonly [number, number] {
  const rowSpan = (source.shape.at(-1)! - 1) * source.strides.at(-1)! + 1;
  return [rowStart(source, start), rowStart(source, end - 1) + rowSpan];
}

async function add(
  constant: number,
  data: Float32Array<SharedArrayBuffer>,
  kernel: Kernel,
): Promise<void> {
  const by = newMatrix(1, data.length);
  by.data.fill(constant);
  await kernel.run("elementwise", { what: "add", x: { ...by, data }, by });
}
