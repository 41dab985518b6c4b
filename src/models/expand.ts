import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, OutputTensor, Role } from "./architecture.ts";

/** What expand needs to know of a base tensor. */
export interface BaseTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/**
 * Holds the role table against the checkpoint: the tensors of the MLX repo in order (embeddings, blocks, final norm, head),
 * each with the base tensors it is made of. Throws BAD_CHECKPOINT for a missing tensor or a shape that the config does not
 * give, UNSUPPORTED_MODEL for a tensor that no role names.
 */
export function expand(
  architecture: Architecture,
  config: ModelConfig,
  base: ReadonlyMap<string, BaseTensor>,
): OutputTensor[] {
  refuseMoreThanThereIs(architecture, config, base.size);
  const outputs = expandTable(architecture, config);
  const named = new Set<string>();
  for (const output of outputs) {
    const expected = output.role.shape(config);
    for (const source of output.sources) {
      checkShape(source, base.get(source), expected, architecture);
      named.add(source);
    }
    checkOneDtype(output, base);
  }
  for (const name of base.keys()) {
    if (!named.has(name) && !architecture.dropped(name, config)) {
      throw new OqeError(
        "UNSUPPORTED_MODEL",
        `tensor "${name}" is named by no role of ${architecture.modelType}`,
        "Quantizing only what is known would lose this tensor silently. Check that the config belongs to the checkpoint, or add the role (docs/adding-a-model.md).",
      );
    }
  }
  return outputs;
}

/** A config may promise billions of layers or experts; listing them would take all memory before one is missed. */
function refuseMoreThanThereIs(architecture: Architecture, config: ModelConfig, tensors: number) {
  const layers = architecture.layers(config);
  const experts = architecture.experts(config);
  const routed =
    experts === null ? 0 : experts.routed * layers.filter(({ mlp }) => mlp === "moe").length;
  if (layers.length + routed > tensors) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json promises ${layers.length} layers and ${routed} routed experts, but the checkpoint has only ${tensors} tensors`,
      "The config may belong to another checkpoint, or the upload may be incomplete.",
    );
  }
  if (experts !== null && experts.perToken > experts.routed) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json chooses ${experts.perToken} experts per token out of ${experts.routed}`,
      "The config may belong to another checkpoint.",
    );
  }
}

/** The tensors that the table and the config promise, without looking at a checkpoint. */
export function expandTable(architecture: Architecture, config: ModelConfig): OutputTensor[] {
  const outer = architecture.outer.map((role) => instantiate(role, config, null, 0));
  const routed = architecture.experts(config)?.routed ?? 0;
  const blocks = architecture.layers(config).map((kind, layer) => {
    return architecture.roles(kind).map((role) => instantiate(role, config, layer, routed));
  });
  const [first, ...rest] = outer;
  return [first!, ...blocks.flat(), ...rest].filter((output) => output.role.when?.(config) ?? true);
}

function instantiate(
  role: Role,
  config: ModelConfig,
  layer: number | null,
  experts: number,
): OutputTensor {
  if (role.when !== undefined && !role.when(config)) {
    return { role, layer, name: role.mlx, shape: [], sources: [] };
  }
  const inLayer = (path: string) => path.replace("{i}", String(layer));
  const one = role.mlxShape?.(config) ?? role.shape(config);
  if (role.routed !== true) {
    return { role, layer, name: inLayer(role.mlx), shape: one, sources: [inLayer(role.base)] };
  }
  const sources = Array.from({ length: experts }, (_, e) =>
    inLayer(role.base).replace("{e}", String(e)),
  );
  return { role, layer, name: inLayer(role.mlx), shape: [experts, ...one], sources };
}

function checkShape(
  name: string,
  tensor: BaseTensor | undefined,
  expected: readonly number[],
  architecture: Architecture,
) {
  if (tensor === undefined) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `tensor "${name}" is missing: config.json of this ${architecture.modelType} promises it with shape [${expected.join(", ")}]`,
      "The upload may be incomplete, or the config may belong to another checkpoint.",
    );
  }
  if (
    tensor.shape.length !== expected.length ||
    tensor.shape.some((size, axis) => size !== expected[axis])
  ) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `tensor "${name}" has shape [${tensor.shape.join(", ")}], but config.json gives [${expected.join(", ")}]`,
      "The config may belong to another checkpoint.",
    );
  }
}

function checkOneDtype(output: OutputTensor, base: ReadonlyMap<string, BaseTensor>) {
  const dtypes = new Set(output.sources.map((source) => base.get(source)!.dtype));
  if (dtypes.size > 1) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `the tensors stacked into "${output.name}" have several dtypes: ${[...dtypes].join(", ")}`,
    );
  }
}
