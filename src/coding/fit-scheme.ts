import { quote } from "../checkpoint/json.ts";
import { OqeError } from "../ground/errors.ts";
import { type BaseTensors, blocksOf, type CodedNames, type Coding, scaleWords } from "./coding.ts";
import type { Declared } from "./declared.ts";
import type { Scheme } from "./scheme.ts";
import { isSkipped } from "./skipped.ts";

const codeDtypes = { fp8: ["F8_E4M3", "F8_E5M2"], fp4: ["U8"], int4: ["I32"] } as const;
const powerDtypes = ["U8", "F8_E8M0"];
const scaleDtypes = ["F32", "BF16", "F16", ...powerDtypes];
/** Four bits: that many values in a word of 32 bits. */
const inWord = 8;

/**
 * Finds the declared scheme that the scales of a matrix have the shape of, and the shape of its
 * values. Throws BAD_CHECKPOINT where a part is missing, or has another dtype or shape.
 */
export function fitScheme(
  names: CodedNames,
  tensors: BaseTensors,
  declared: Declared,
): { readonly shape: readonly number[]; readonly coding: Coding } {
  const { format, codes, scales, zeros, shapeCopy } = names;
  const module = names.values.replace(/\.weight$/, "");
  if (isSkipped(declared.skipped, module))
    throw bad(`${quote(module)} is declared as not quantized, but ${quote(codes)} holds codes`);
  const schemes = declared.schemesOf(module).filter((scheme) => scheme.format === format);
  if (schemes.length === 0) throw undeclared(names, module, declared);
  const shape = shapeOfValues(names, tensors);
  const [rows, columns] = shape.slice(-2) as [number, number];
  const found = partOf(scales, tensors, scaleDtypes);
  const isFit = (scheme: Scheme) => {
    const isDtype = !scheme.powers || powerDtypes.includes(found.dtype);
    return isDtype && scheme.zeros === (zeros !== null) && isGrid(found.shape, shape, scheme);
  };
  const scheme = schemes.find(isFit);
  if (scheme === undefined) throw misfit(names, found, { shape, schemes });
  checkGroups(codes, columns, scheme);
  if (zeros !== null) {
    const [, across] = blocksOf(scheme.block, rows, columns);
    checkShape(zeros, partOf(zeros, tensors, ["I32"]).shape, [Math.ceil(rows / inWord), across]);
  }
  if (shapeCopy !== null)
    checkShape(shapeCopy, partOf(shapeCopy, tensors, ["I64", "I32"]).shape, [shape.length]);
  const isTransposed = isBlocks(codes);
  const { block } = scheme;
  return {
    shape: isTransposed ? [...shape.slice(0, -2), columns, rows] : shape,
    coding: { format, codes, scales, zeros, shapeCopy, block, isTransposed },
  };
}

/** The layout of mxfp4 in transformers; see Coding.isTransposed. */
function isBlocks(codes: string): boolean {
  return codes.endsWith("_blocks");
}

/** Shape of the values in the order of their codes. */
function shapeOfValues({ format, codes }: CodedNames, tensors: BaseTensors): readonly number[] {
  const { shape } = partOf(codes, tensors, codeDtypes[format]);
  if (shape.length < (isBlocks(codes) ? 3 : 2) || shape.includes(0))
    throw bad(`tensor ${quote(codes)} of shape [${shape.join(", ")}] is no matrix of codes`);
  if (format === "fp8") return shape;
  if (!isBlocks(codes))
    return [...shape.slice(0, -1), shape.at(-1)! * (format === "fp4" ? 2 : inWord)];
  if (shape.at(-1) !== 16) checkShape(codes, shape, [...shape.slice(0, -1), 16]);
  return [...shape.slice(0, -2), 32 * shape.at(-2)!];
}

/** Whether scales of this shape are those of the values. Axes of one at the end may be missing. */
function isGrid(scales: readonly number[], values: readonly number[], { block }: Scheme): boolean {
  const [rows, columns] = values.slice(-2) as [number, number];
  const leading = values.slice(0, -2);
  const [down, across] = blocksOf(block, rows, columns);
  const shapes = [
    [...leading, down, across],
    ...(across === 1 ? [[...leading, down]] : []),
    ...(across === 1 && down === 1 ? [leading, [...leading, 1]] : []),
    // ModelOpt keeps the axes that it reduced.
    [...leading, down, 1, across, 1],
  ];
  return shapes.some((shape) => shape.join() === scales.join());
}

/** Blocks of a matrix may be smaller at its edges, but groups of a row are whole. */
function checkGroups(codes: string, columns: number, { block: [high, wide] }: Scheme): void {
  if (high !== 1 || wide === Number.POSITIVE_INFINITY || columns % wide === 0) return;
  throw bad(
    `tensor ${quote(codes)} has rows of ${columns} values, which do not fill whole groups of ${wide}`,
  );
}

function partOf(name: string, tensors: BaseTensors, dtypes: readonly string[]) {
  const found = tensors.get(name);
  if (found === undefined)
    throw bad(`tensor ${quote(name)} is missing: the codes of its weights need it`);
  if (!dtypes.includes(found.dtype))
    throw bad(`tensor ${quote(name)} is ${found.dtype}; expected ${dtypes.join(", ")}`);
  return found;
}

function checkShape(name: string, shape: readonly number[], expected: readonly number[]): void {
  if (shape.join() !== expected.join())
    throw bad(
      `tensor ${quote(name)} has shape [${shape.join(", ")}]; expected [${expected.join(", ")}]`,
    );
}

function undeclared({ format, codes }: CodedNames, module: string, { groups }: Declared): OqeError {
  const isKnown = groups.some(({ schemes }) => schemes.some((one) => one.format === format));
  const why = isKnown
    ? `, but no settings for such codes name ${quote(module)}`
    : " of a kind that is not declared";
  return bad(`tensor ${quote(codes)} holds codes${why}`);
}

function misfit(
  { codes, scales, zeros }: CodedNames,
  found: { readonly dtype: string; readonly shape: readonly number[] },
  { shape, schemes }: { readonly shape: readonly number[]; readonly schemes: readonly Scheme[] },
): OqeError {
  const [rows, columns] = shape.slice(-2) as [number, number];
  const alike = schemes.filter((scheme) => scheme.zeros === (zeros !== null));
  if (alike.length === 0) {
    return bad(
      zeros === null
        ? `tensor ${quote(codes)} has no zero points, but its codes are declared as asymmetric`
        : `tensor ${quote(zeros)} holds zero points of codes that are declared as symmetric`,
    );
  }
  const expected = alike.map(({ block, powers }) => {
    const grid = [...shape.slice(0, -2), ...blocksOf(block, rows, columns)];
    const dtype = powers ? ` as ${powerDtypes.join(" or ")}` : "";
    return `[${grid.join(", ")}]${dtype} (${scaleWords(block)})`;
  });
  return bad(
    `tensor ${quote(scales)} is ${found.dtype} of shape [${found.shape.join(", ")}], which fits no ` +
      `block of [${shape.join(", ")}]; expected ${expected.join(", ")}`,
  );
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    message,
    "The upload may be incomplete, or its weights are coded in a way that is not supported.",
  );
}
