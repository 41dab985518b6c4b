import { quote } from "../checkpoint/json.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";

/** Dtypes of packed or 8-bit weights. Masks and counters are I64, U64, BOOL or F64. */
const packed = /^(U8|I8|F8_.*|U16|I16|U32|I32)$/;
/**
 * Tensors that quantizers write beside or instead of `<module>.weight`: MLX, fp8,
 * compressed-tensors, GPTQ/AWQ, bitsandbytes.
 */
const siblings =
  /^(.*)\.(scales|weight_scale|weight_scale_inv|weight_packed|qweight|weight\.absmax)$/;

/** Throws ALREADY_QUANTIZED for a tensor that only quantized checkpoints have. */
export function refuseQuantizedTensors(
  tensors: ReadonlyMap<string, { readonly dtype: string }>,
  repository: Repository,
): void {
  for (const [name, { dtype }] of tensors) {
    if (packed.test(dtype)) refuseQuantized(repository, `tensor ${quote(name)} has dtype ${dtype}`);
    const module = siblings.exec(name)?.[1];
    if (module !== undefined && (tensors.has(`${module}.weight`) || !name.endsWith(".scales"))) {
      refuseQuantized(repository, `tensor ${quote(name)} holds quantization scales or codes`);
    }
  }
}

/** Names of codes that are decoded if config.json declares them -> what it should say. */
const declarations = [
  [/_blocks$/, '{"quant_method": "mxfp4"}'],
  [
    /\.weight_scale_inv$/,
    '{"quant_method": "fp8"} with the rows and columns of a block as "weight_block_size"',
  ],
  [/\.weight_packed$/, 'the settings of {"quant_method": "compressed-tensors"}'],
] as const;

/**
 * Throws ALREADY_QUANTIZED as `refuseQuantizedTensors`, for a base that says nothing about codes.
 * Codes that could be decoded lack only their declaration.
 */
export function refuseUndeclared(
  tensors: ReadonlyMap<string, { readonly dtype: string }>,
  repository: Repository,
): void {
  for (const name of tensors.keys()) {
    const [, should] = declarations.find(([ending]) => ending.test(name)) ?? [];
    const codes = name.replace(/_scale_inv$/, "");
    const dtype = tensors.get(codes)?.dtype ?? "";
    if (should === undefined || !packed.test(dtype)) continue;
    refuseQuantized(
      repository,
      `tensor ${quote(codes)} has dtype ${dtype}, but config.json has no ` +
        '"quantization_config" that says how it is coded',
      `For such names it should be ${should}: take the config.json of the model's authors. Or ` +
        "name a base of floats (BF16, F16 or F32 weights).",
    );
  }
  refuseQuantizedTensors(tensors, repository);
}

/** The base is quantized in a way that is not decoded, or not by its authors. */
export function refuseQuantized(
  repository: Pick<Repository, "id" | "name">,
  found: string,
  hint = "Name the unquantized base (BF16, F16 or F32 weights); quantizing twice adds both errors.",
): never {
  throw new OqeError(
    "ALREADY_QUANTIZED",
    `${repository.id ?? repository.name} is already quantized: ${found}`,
    hint,
  );
}
