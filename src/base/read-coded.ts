import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { blocksOf, type Coding } from "../coding/coding.ts";
import { compareShapeCopy } from "../coding/shape-copies.ts";
import { OqeError } from "../ground/errors.ts";
import { decodeRows } from "../kernel/decode-rows.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { sharedBytes } from "../kernel/matrix.ts";
import type { Source } from "../models/source.ts";
import type { CodedPart } from "./copy-rows.ts";

type Files = Pick<Checkpoint, "read" | "tensors">;

type CodedSource = Source & { readonly coding: Coding };

const elementFormats = { F8_E4M3: "e4m3", F8_E5M2: "e5m2", U8: "e2m1", I32: "u4" } as const;
/** Rows whose zero points lie in one word of 32 bits. */
const zerosInWord = 8;

/**
 * Decodes the rows of the base tensor that elements `[from, to)` lie in: code · scale in
 * float32, rounded once. Throws BAD_CHECKPOINT for a scale that is NaN, infinite or zero.
 */
export async function readCoded(
  files: Files,
  kernel: Kernel,
  source: CodedSource,
  [from, to]: readonly [number, number],
): Promise<CodedPart> {
  const { coding } = source;
  const [height, columns] = source.base.slice(-2) as [number, number];
  const [start, end] = [Math.floor(from / columns), Math.ceil(to / columns)];
  const matrix = Math.floor(start / height);
  const firstRow = start - matrix * height;
  const lastRow = firstRow + end - start;
  if (lastRow > height) {
    const rows = `rows ${start} to ${end} of "${source.tensor}"`;
    throw new OqeError("INTERNAL", `${rows} lie in two matrices`);
  }
  if (firstRow === 0) await checkShapeCopy(files, source);
  const { format, codeBytes, scaleDtype, scaleBytes, ...block } = layoutOf(files, source);
  const { across, blockRows, blockColumns } = block;
  const read = (name: string, [first, last]: readonly [number, number], rowBytes: number) => {
    const into = sharedBytes((last - first) * rowBytes);
    return files.read(name, first * rowBytes, into.length, into);
  };
  /** The rows of a tensor that has one for each `size` rows of a matrix. */
  const rowsBy = (size: number): readonly [number, number] => {
    const before = matrix * Math.ceil(height / size);
    return [before + Math.floor(firstRow / size), before + Math.ceil(lastRow / size)];
  };
  const scaleRows = rowsBy(blockRows);
  const [codes, scales, zeros] = await Promise.all([
    read(coding.codes, [start, end], codeBytes),
    read(coding.scales, scaleRows, scaleBytes),
    coding.zeros === null ? null : read(coding.zeros, rowsBy(zerosInWord), 4 * across),
  ]);
  const rows = { format, codes, rows: end - start, columns, firstRow, blockRows, blockColumns };
  const coded = { ...rows, scales, scaleDtype, ...(zeros !== null && { zeros }) };
  const { bytes, badScale } = await decodeRows(kernel, coded, "F32");
  if (badScale !== null) {
    const row = Math.floor(firstRow / blockRows) + Math.floor(badScale / across);
    const place = [...(source.base.length > 2 ? [matrix] : []), row, badScale % across];
    const size = bytesPerElement[scaleDtype]!;
    const found = scales.subarray(badScale * size, (badScale + 1) * size);
    throw unusable(coding.scales, `[${place.join(", ")}]`, found);
  }
  return { bytes, dtype: "F32", from: start * columns, to: end * columns, codes, scales };
}

/**
 * Layout of the codes and scales of a matrix: bytes per row of each, blocks in a row, block size.
 */
function layoutOf({ tensors }: Files, { coding, base }: CodedSource) {
  const [height, columns] = base.slice(-2) as [number, number];
  const [, across] = blocksOf(coding.block, height, columns);
  const [blockRows, blockColumns] = coding.block;
  const format = elementFormats[tensors.get(coding.codes)!.dtype as keyof typeof elementFormats];
  const stored = tensors.get(coding.scales)!.dtype;
  const scaleDtype = stored === "U8" ? "F8_E8M0" : (stored as FloatDtype | "F8_E8M0");
  return {
    format,
    codeBytes: coding.format === "fp8" ? columns : columns / 2,
    scaleDtype,
    scaleBytes: across * bytesPerElement[scaleDtype]!,
    across,
    blockRows: Math.min(blockRows, height),
    blockColumns: Math.min(blockColumns, columns),
  };
}

/** The shape that the base repeats, where it was not compared when the base was opened. */
async function checkShapeCopy(files: Files, { coding, base, tensor }: CodedSource): Promise<void> {
  const { shapeCopy } = coding;
  if (shapeCopy === null) return;
  const { dtype } = files.tensors.get(shapeCopy)!;
  const bytes = await files.read(shapeCopy, 0, base.length * bytesPerElement[dtype]!);
  compareShapeCopy({ name: shapeCopy, dtype, bytes }, tensor, base);
}

function unusable(name: string, place: string, bytes: Uint8Array): OqeError {
  const what = bytes.every((byte, at) => (at === bytes.length - 1 ? byte & 0x7f : byte) === 0)
    ? "zero"
    : "NaN or infinite";
  return new OqeError(
    "BAD_CHECKPOINT",
    `tensor "${name}" holds a scale that is ${what}, at ${place}`,
    "Its weights have no values. Check the download, or report it to the model's authors.",
  );
}
