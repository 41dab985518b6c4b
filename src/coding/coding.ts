/** Rows and columns of a block, which has one scale. Infinity: all of the matrix. */
export type Block = readonly [number, number];

/** Base tensors that give one tensor of values: codes, and the scales that multiply them. */
export interface Coding {
  /**
   * `fp8`: a byte a value, F8_E4M3 or F8_E5M2.
   * `fp4`: half a byte a value, E2M1, lower half first.
   * `int4`: half a byte a value, lower half first: a whole number from 0 to 15, less a zero point.
   */
  readonly format: "fp8" | "fp4" | "int4";
  /** Name of the base tensor of codes. */
  readonly codes: string;
  /** Name of the base tensor of scales: floats, or powers of two (F8_E8M0, or U8 of those bits). */
  readonly scales: string;
  /** Name of the base tensor of zero points, 8 rows a word of 32 bits; null: all are 8. */
  readonly zeros: string | null;
  /** Name of the base tensor that repeats the shape of the values; null: there is none. */
  readonly shapeCopy: string | null;
  readonly block: Block;
  /**
   * Rows and columns of the values are those of the codes exchanged: transformers decodes `_blocks`
   * to a parameter `[experts, in, out]`, and the codes of an output lie together.
   */
  readonly isTransposed: boolean;
}

/** Names of the tensors that code one tensor of values. */
export interface CodedNames {
  readonly format: Coding["format"];
  /** The name that the values have in a base that is not coded. */
  readonly values: string;
  readonly codes: string;
  readonly scales: string;
  readonly zeros: string | null;
  readonly shapeCopy: string | null;
}

/** A tensor of the base as the role tables see it: of values, also where the base has codes. */
export interface BaseTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Absent: the base stores the values. */
  readonly coding?: Coding;
}

export type BaseTensors = ReadonlyMap<string, BaseTensor>;

/** Names of the base tensors that values are decoded from. */
export function tensorsOfCoding({ codes, scales, zeros }: Coding): readonly string[] {
  return [codes, scales, ...(zeros === null ? [] : [zeros])];
}

/** Shape of the base tensor of codes, from that of its values. */
export function shapeOfCodes(
  values: readonly number[],
  { format, isTransposed }: Pick<Coding, "format" | "isTransposed">,
): readonly number[] {
  const leading = values.slice(0, -2);
  const [rows, columns] = values.slice(-2) as [number, number];
  // `_blocks` have groups of 32 values, in 16 bytes.
  if (isTransposed) return [...leading, columns, rows / 32, 16];
  const together = { fp8: 1, fp4: 2, int4: 8 }[format];
  return [...leading, rows, columns / together];
}

/** How many blocks a matrix has, down and across. */
export function blocksOf([high, wide]: Block, rows: number, columns: number): Block {
  return [
    high === Number.POSITIVE_INFINITY ? 1 : Math.ceil(rows / high),
    wide === Number.POSITIVE_INFINITY ? 1 : Math.ceil(columns / wide),
  ];
}

/** For people: what one scale multiplies. */
export function scaleWords([high, wide]: Block): string {
  const all = Number.POSITIVE_INFINITY;
  if (high === all && wide === all) return "a scale for each tensor";
  if (high === 1 && wide === all) return "a scale for each row";
  if (high === 1) return `a scale for each group of ${wide}`;
  return `a scale for each block of ${high} × ${wide}`;
}
