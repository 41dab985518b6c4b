import { parseJson } from "../../src/checkpoint/json.ts";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { mlxConfigText } from "../../src/mlx/mlx-config.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import type { Wrapper } from "../../src/models/fold.ts";

/** Text of config.json of an MLX repository whose base has this folded config. */
export function writtenConfigText(
  architecture: Architecture,
  folded: ModelConfig,
  wrapper: Wrapper | null = null,
): string {
  return mlxConfigText(architecture.mlxConfig(folded), {
    defaults: { bits: 8, groupSize: 64 },
    modules: {},
    storage: "BF16",
    floatKeys: new Set(),
    wrapper,
  });
}

export function writtenConfig(architecture: Architecture, folded: ModelConfig): ModelConfig {
  return parseJson(writtenConfigText(architecture, folded), "config.json") as ModelConfig;
}
