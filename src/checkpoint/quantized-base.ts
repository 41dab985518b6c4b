import { OqeError } from "../ground/errors.ts";
import { asObject, quote, show } from "./json.ts";
import type { ModelConfig } from "./model-config.ts";
import type { Repository } from "./repository.ts";
import type { TensorEntry } from "./safetensors.ts";

/**
 * Keys with which MLX, transformers and older compressed-tensors say that weights are quantized.
 */
const configKeys = ["quantization", "quantization_config", "compression_config"];
/** Dtypes of packed or 8-bit weights. Masks and counters are I64, U64, BOOL or F64. */
const packed = /^(U8|I8|F8_.*|U16|I16|U32|I32)$/;
/**
 * Tensors that quantizers write beside or instead of `<module>.weight`: MLX, fp8,
 * compressed-tensors, GPTQ/AWQ, bitsandbytes.
 */
const siblings =
  /^(.*)\.(scales|weight_scale|weight_scale_inv|weight_packed|qweight|weight\.absmax)$/;

/**
 * Whether a key of the config says nothing. Some exporters write null, false or an empty object.
 */
function isEmpty(value: unknown): boolean {
  const fields = asObject(value);
  return (value ?? false) === false || (fields !== undefined && Object.keys(fields).length === 0);
}

/** Keys of the config that say how the weights are quantized. */
export function quantizationKeys(config: ModelConfig): string[] {
  return configKeys.filter((key) => !isEmpty(config[key]));
}

/** Throws ALREADY_QUANTIZED when the config says that the weights are quantized. */
export function refuseQuantizedConfig(config: ModelConfig, repository: Repository): void {
  for (const key of quantizationKeys(config)) {
    const { quant_method: method, mode } = asObject(config[key]) ?? {};
    const how = method ?? mode;
    refuse(
      repository,
      `config.json has ${quote(key)}${how === undefined ? "" : ` (${show(how)})`}`,
    );
  }
}

/** Throws ALREADY_QUANTIZED for a tensor that only quantized checkpoints have. */
export function refuseQuantizedTensors(
  tensors: ReadonlyMap<string, TensorEntry>,
  repository: Repository,
): void {
  for (const { name, dtype } of tensors.values()) {
    if (packed.test(dtype)) refuse(repository, `tensor ${quote(name)} has dtype ${dtype}`);
    const module = siblings.exec(name)?.[1];
    if (module !== undefined && (tensors.has(`${module}.weight`) || !name.endsWith(".scales"))) {
      refuse(repository, `tensor ${quote(name)} holds quantization scales or codes`);
    }
  }
}

function refuse(repository: Repository, found: string): never {
  throw new OqeError(
    "ALREADY_QUANTIZED",
    `${repository.id ?? repository.name} is already quantized: ${found}`,
    "Name the unquantized base (BF16, F16 or F32 weights); quantizing twice adds both errors.",
  );
}
