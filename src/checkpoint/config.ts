import { OqeError } from "../ground/errors.ts";
import { type FloatDtype, isFloat } from "../kernel/dtype.ts";
import { asObject, parseJson, show } from "./json.ts";
import type { ModelConfig } from "./model-config.ts";
import { type Repository, readText } from "./repository.ts";

export const CONFIG_FILE = "config.json";

export interface ConfigFile {
  /** As the file has it. An architecture folds its spellings and defaults (models/fold.ts). */
  readonly config: ModelConfig;
  /** Keys whose numbers the file writes as floats, which writeJson does as well. */
  readonly floatKeys: ReadonlySet<string>;
}

/**
 * Reads `config.json`. Throws MISSING_FILE if it is missing, BAD_CHECKPOINT if it is not an object
 * or has no model_type.
 */
export async function readConfig(repository: Repository): Promise<ConfigFile> {
  const where = `${repository.name}/${CONFIG_FILE}`;
  if (!repository.files.has(CONFIG_FILE)) {
    throw new OqeError(
      "MISSING_FILE",
      `${repository.name} has no ${CONFIG_FILE}`,
      "Is this a model folder in Hugging Face layout?",
    );
  }
  const floatKeys = new Set<string>();
  const document = asObject(
    parseJson(await readText(repository, CONFIG_FILE), where, { floatKeys }),
  );
  if (!document) throw bad(`${where} is not a JSON object`);
  const type = document.model_type;
  if (typeof type !== "string" || !/^[\w.-]{1,64}$/.test(type))
    throw bad(`${where}: model_type should be a word, got ${show(type)}`);
  return { config: document, floatKeys };
}

/**
 * Dtype of scales, biases and unquantized tensors in the MLX repo: the base's own 16-bit float, or
 * BF16 for a float32 base, whose range BF16 has. Without `torch_dtype` in the folded config it is
 * F16 where all float tensors are, else BF16.
 */
export function storageDtype(
  config: ModelConfig,
  tensors: Iterable<{ readonly dtype: string }>,
): FloatDtype {
  const declared = config.torch_dtype;
  if (typeof declared === "string")
    return /^(torch\.)?(float16|half)$/.test(declared) ? "F16" : "BF16";
  const floats = [...tensors].filter(({ dtype }) => isFloat(dtype));
  return floats.length > 0 && floats.every(({ dtype }) => dtype === "F16") ? "F16" : "BF16";
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    message,
    "The config is damaged or belongs to no model. Download it again.",
  );
}
