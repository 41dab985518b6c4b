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

const elementFormats = { F8_E4M3: "e4m3", F8_E5M2: "e5m2", U8: "e2m1" } as const;

/**
 * Decodes the rows of the base tensor that elements `[first, behind)` lie in: code · scale in
 * float32, rounded once.
 */
export async function readCoded(
  files: Files,
  kernel: Kernel,
  source: Source & { readonly coding: Coding },
  [first, behind]: readonly [number, number],
): Promise<BasePart> {
  const { coding } = source;
  const [height, columns] = source.base.slice(-2) as [number, number];
  const [start, end] = [Math.floor(first / columns), Math.ceil(behind / columns)];
  const matrix = Math.floor(start / height);
  const firstRow = start - matrix * height;
  if (firstRow + end - start > height)
    throw new OqeError(
      "INTERNAL",
      `rows ${start} to ${end} of "${source.tensor}" are two matrices`,
    );
  const [down, across] = blocksOf(coding, height, columns);
  const [blockRows, blockColumns] = [
    Math.min(coding.block[0], height),
    Math.min(coding.block[1], columns),
  ];
  const blocks = {
    start: Math.floor(firstRow / blockRows),
    end: Math.ceil((firstRow + end - start) / blockRows),
  };
  const codeDtype = files.tensors.get(coding.codes)!.dtype as keyof typeof elementFormats;
  const codeBytes = codeDtype === "U8" ? columns / 2 : columns;
  const stored = files.tensors.get(coding.scales)!.dtype;
  const scaleDtype = stored === "U8" ? "F8_E8M0" : (stored as FloatDtype | "F8_E8M0");
  const scaleBytes = across * bytesPerElement[scaleDtype]!;
  const read = (name: string, from: number, to: number, rowBytes: number) => {
    const into = sharedBytes((to - from) * rowBytes);
    return files.read(name, from * rowBytes, into.length, into);
  };
  const [codes, scales] = await Promise.all([
    read(coding.codes, start, end, codeBytes),
    read(coding.scales, matrix * down + blocks.start, matrix * down + blocks.end, scaleBytes),
  ]);
  const rows = { format: elementFormats[codeDtype], codes, rows: end - start, columns, firstRow };
  const { bytes } = await decodeRows(
    kernel,
    { ...rows, blockRows, blockColumns, scales, scaleDtype },
    "F32",
  );
  return { bytes, dtype: "F32", first: start * columns, behind: end * columns };
}
