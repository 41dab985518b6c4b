/**
 * Float dtypes as safetensors spells them. All others make a base unusable (already quantized, or
 * not a weight).
 */
export type FloatDtype = "BF16" | "F16" | "F32";

/** Bytes per element of every safetensors dtype that we may meet in a header. */
export const bytesPerElement: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

export function isFloat(dtype: string): dtype is FloatDtype {
  return dtype === "BF16" || dtype === "F16" || dtype === "F32";
}
