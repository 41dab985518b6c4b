import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, Loader } from "./architecture.ts";
import { gptOss } from "./gpt-oss.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { nemotronH } from "./nemotron-h.ts";
import { nemotronHOmni } from "./nemotron-h-omni.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { qwen3_5 } from "./qwen3-5.ts";
import { qwen3_5Moe } from "./qwen3-5-moe.ts";
import { qwen3Moe } from "./qwen3-moe.ts";
import { qwen3Next } from "./qwen3-next.ts";

/** Every architecture that can be quantized (docs/adding-a-model.md). */
export const architectures: readonly Architecture[] = [
  nemotronH,
  llama,
  mistral,
  qwen2,
  qwen3,
  qwen3Moe,
  qwen3Next,
  qwen3_5,
  qwen3_5Moe,
  nemotronHOmni,
  gptOss,
];

/** The types of bases that an architecture is for. */
export function baseTypesOf({ modelType, baseTypes = [modelType] }: Architecture) {
  return baseTypes;
}

/** The architecture of a base; undefined if its type is not among them. */
export function architectureFor(
  type: unknown,
  among: readonly Architecture[] = architectures,
): Architecture | undefined {
  return among.find((one) => baseTypesOf(one).some((own) => own === type));
}

/**
 * The architecture of the tiers of a base for a loader. `type`: of the base. Throws
 * UNSUPPORTED_MODEL if the loader has no such type.
 */
export function forLoader(architecture: Architecture, loader: Loader, type: unknown): Architecture {
  const { inMlxVlm } = architecture;
  if (loader === "mlx-lm" || inMlxVlm === "same") return architecture;
  if (inMlxVlm !== undefined && baseTypesOf(inMlxVlm).some((own) => own === type)) return inMlxVlm;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `loader is mlx-vlm, which has no type ${show(type)}`,
    "Set loader to mlx-lm, or leave it out: mlx-lm loads the tiers of every supported type.",
  );
}

/**
 * The architecture of a finished MLX repository, by the type in its config. Throws
 * UNSUPPORTED_MODEL.
 */
export function findWritten(config: ModelConfig): Architecture {
  const { model_type: type } = config;
  const plain = architectures.find(({ modelType }) => modelType === type);
  if (plain !== undefined) return plain;
  // Of a base's other types, only tiers for mlx-vlm alone keep one.
  const found = findArchitecture(config);
  const { inMlxVlm = "same" } = found;
  return inMlxVlm === "same" ? found : inMlxVlm;
}

/** An architecture's name for people; null for a model_type that is not supported. */
export function findLabel(modelType: string): string | null {
  const plain = architectures.find((one) => one.modelType === modelType);
  return (plain ?? architectureFor(modelType))?.label ?? null;
}

/** The architecture that the config names. Throws UNSUPPORTED_MODEL with the supported ones. */
export function findArchitecture(
  config: ModelConfig,
  among: readonly Architecture[] = architectures,
): Architecture {
  const found = architectureFor(config.model_type, among);
  if (found === undefined) {
    const supported = among.flatMap(baseTypesOf).join(", ");
    const { model_type: type } = config;
    throw new OqeError(
      "UNSUPPORTED_MODEL",
      `config.json: model_type ${type === undefined ? "is missing, it" : show(type)} ` +
        `is not supported; supported are ${supported}`,
      "docs/adding-a-model.md says how to add one: a role table and a forward pass.",
    );
  }
  return found;
}
