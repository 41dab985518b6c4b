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
