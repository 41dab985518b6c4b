import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { OqeError } from "../ground/errors.ts";
import { decodeRows } from "../kernel/decode-rows.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { sharedBytes } from "../kernel/matrix.ts";
import { blocksOf } from "../models/coding.ts";
import type { Coding, Source } from "../models/source.ts";
import type { BasePart } from "./copy-rows.ts";

type Files = Pick<Checkpoint, "read" | "tensors">;

type CodedSource = Source & { readonly coding: Coding };

const elementFormats = { F8_E4M3: "e4m3", F8_E5M2: "e5m2", U8: "e2m1" } as const;

/**
 * Decodes the rows of the base tensor that elements `[from, to)` lie in: code · scale in
 * float32, rounded once.
 */
export async function readCoded(
  files: Files,
  kernel: Kernel,
  source: CodedSource,
  [from, to]: readonly [number, number],
): Promise<BasePart> {
  const [height, columns] = source.base.slice(-2) as [number, number];
  const [start, end] = [Math.floor(from / columns), Math.ceil(to / columns)];
  const matrix = Math.floor(start / height);
  const firstRow = start - matrix * height;
  if (firstRow + end - start > height) {
    const rows = `rows ${start} to ${end} of "${source.tensor}"`;
    throw new OqeError("INTERNAL", `${rows} lie in two matrices`);
  }
  const { coding, codeDtype, codeBytes, scaleDtype, scaleBytes, ...block } = layoutOf(
    files,
    source,
  );
  const firstBlock = matrix * block.down + Math.floor(firstRow / block.blockRows);
  const lastBlock = matrix * block.down + Math.ceil((firstRow + end - start) / block.blockRows);
  const read = (name: string, first: number, last: number, rowBytes: number) => {
    const into = sharedBytes((last - first) * rowBytes);
    return files.read(name, first * rowBytes, into.length, into);
  };
  const [codes, scales] = await Promise.all([
    read(coding.codes, start, end, codeBytes),
    read(coding.scales, firstBlock, lastBlock, scaleBytes),
  ]);
  const { blockRows, blockColumns } = block;
  const blocks = { blockRows, blockColumns, scales, scaleDtype };
  const rows = { format: elementFormats[codeDtype], codes, rows: end - start, columns, firstRow };
  const { bytes } = await decodeRows(kernel, { ...rows, ...blocks }, "F32");
  return { bytes, dtype: "F32", from: start * columns, to: end * columns };
}

/**
 * Layout of the codes and scales of a matrix: bytes per row of each, block rows, and block size.
 */
function layoutOf({ tensors }: Files, { coding, base }: CodedSource) {
  const [height, columns] = base.slice(-2) as [number, number];
  const [down, across] = blocksOf(coding, height, columns);
  const [blockRows, blockColumns] = coding.block;
  const codeDtype = tensors.get(coding.codes)!.dtype as keyof typeof elementFormats;
  const stored = tensors.get(coding.scales)!.dtype;
  const scaleDtype = stored === "U8" ? "F8_E8M0" : (stored as FloatDtype | "F8_E8M0");
  return {
    coding,
    codeDtype,
    codeBytes: codeDtype === "U8" ? columns / 2 : columns,
    scaleDtype,
    scaleBytes: across * bytesPerElement[scaleDtype]!,
    down,
    blockRows: Math.min(blockRows, height),
    blockColumns: Math.min(blockColumns, columns),
  };
}
