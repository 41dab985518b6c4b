import type { Base } from "../../src/base/base.ts";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import type { ShapedBase } from "../../src/estimate/model-shape.ts";
import { sum } from "../../src/ground/sum.ts";
import { elements } from "../../src/mlx/format.ts";
import { expandTable } from "../../src/models/expand.ts";
import { findArchitecture } from "../../src/models/registry.ts";

/** The shapes of a BF16 base with this config. There are no files. */
export function shapedBase(written: ModelConfig): ShapedBase {
  const architecture = findArchitecture(written);
  const { config } = architecture.fold(written);
  const tensors = expandTable(architecture, config).map((tensor) => {
    return { ...tensor, dtype: tensor.role.kind === "correction" ? "F32" : "BF16" };
  });
  return { architecture, config, tensors, storage: "BF16", parameters: 31.6e9 };
}

/** The same as far as the facts of a card need it. */
export function describedBase(config: ModelConfig): Base {
  const shaped = shapedBase(config);
  const parameters = sum(shaped.tensors, ({ shape }) => elements(shape));
  return { ...shaped, parameters, checkpoint: { config } } as Base;
}
