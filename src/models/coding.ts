import { OqeError } from "../ground/errors.ts";
import { isFloat } from "../kernel/dtype.ts";
import type { Coding, Source } from "./source.ts";

/** The header entry of a base tensor. */
export interface BaseTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
}

export type BaseTensors = ReadonlyMap<string, BaseTensor>;

const codeDtypes = { fp8: ["F8_E4M3", "F8_E5M2"], mxfp4: ["U8"] } as const;
const scaleDtypes = {
  fp8: ["F32", "BF16", "F16", "F8_E8M0", "U8"],
  mxfp4: ["U8", "F8_E8M0"],
} as const;

/** The source without its coding, where this base stores the tensor as floats. */
export function asStored(source: Source, base: BaseTensors): Source {
  if (source.coding === null) return source;
  const codes = base.get(source.coding.codes);
  const isPlain = codes === undefined ? base.has(source.tensor) : isFloat(codes.dtype);
  return isPlain ? { ...source, coding: null } : source;
}

/** Throws BAD_CHECKPOINT where codes or scales are missing, or have another dtype or shape. */
export function checkCoding(coding: Coding, values: readonly number[], base: BaseTensors): void {
  const { format, codes, scales } = coding;
  const [rows, columns] = values.slice(-2) as [number, number];
  if (format === "mxfp4" && columns % 32 !== 0) {
    const problem = `has rows of ${columns} values, which do not fill whole blocks of 32`;
    throw bad(`tensor "${codes}" ${problem}`);
  }
  const halves = [...values.slice(0, -1), columns / 32, 16];
  const codeShape = format === "fp8" ? values : halves;
  const scaleShape = [...values.slice(0, -2), ...blocksOf(coding, rows, columns)];
  checkTensor(codes, base, { dtypes: codeDtypes[format], shape: codeShape });
  checkTensor(scales, base, {
    dtypes: scaleDtypes[format],
    shape: scaleShape,
    isSame: (shape) => withoutOnes(shape) === withoutOnes(scaleShape),
  });
}

/** How many blocks a matrix has, down and across. */
export function blocksOf(
  { block: [high, wide] }: Coding,
  rows: number,
  columns: number,
): readonly [number, number] {
  return [
    high === Number.POSITIVE_INFINITY ? 1 : Math.ceil(rows / high),
    wide === Number.POSITIVE_INFINITY ? 1 : Math.ceil(columns / wide),
  ];
}

interface Expected {
  readonly dtypes: readonly string[];
  readonly shape: readonly number[];
  /** Default: the very same shape. */
  readonly isSame?: (shape: readonly number[]) => boolean;
}

function checkTensor(name: string, base: BaseTensors, expected: Expected): void {
  const { dtypes, shape } = expected;
  const found = base.get(name);
  const text = `[${shape.join(", ")}]`;
  if (found === undefined)
    throw bad(`tensor "${name}" is missing: the codes of its weights need it, with shape ${text}`);
  if (!dtypes.includes(found.dtype))
    throw bad(`tensor "${name}" is ${found.dtype}; expected ${dtypes.join(", ")}`);
  const isSame = expected.isSame ?? ((own) => own.join() === shape.join());
  if (!isSame(found.shape))
    throw bad(`tensor "${name}" has shape [${found.shape.join(", ")}]; expected ${text}`);
}

/** One scale a row has shape `[rows]` or `[rows, 1]`; one scale of all `[]`, `[1]` or `[1, 1]`. */
function withoutOnes(shape: readonly number[]): string {
  return shape.filter((size) => size !== 1).join();
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    message,
    "The upload may be incomplete, or its weights are coded in a way that is not supported.",
  );
}
