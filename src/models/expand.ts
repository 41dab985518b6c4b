import type { ModelConfig } from "../checkpoint/model-config.ts";
import { type BaseTensor, type BaseTensors, shapeOfCodes } from "../coding/coding.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, OutputTensor, Role } from "./architecture.ts";
import { readConverted } from "./converted.ts";
import { asCoded, type Source, wholeTensor } from "./source.ts";

/**
 * Compares the role table with the checkpoint. Gives the tensors of the MLX repository in order
 * (embeddings, blocks, final norm, head), each with the places in the base where its values lie.
 * Throws BAD_CHECKPOINT for a missing tensor or a shape that the config does not give,
 * UNSUPPORTED_MODEL for a tensor, or a part of one, that no role names.
 */
export function expand(
  architecture: Architecture,
  config: ModelConfig,
  base: BaseTensors,
): OutputTensor[] {
  refuseMoreThanThereIs(architecture, config, base);
  const table = readConverted(asNamed(expandTable(architecture, config), architecture, base), base);
  for (const output of table) checkSources(output, base, architecture);
  const outputs = table.map((output) => ({
    ...output,
    sources: output.sources.map((source) => asCoded(source, base.get(source.tensor)?.coding)),
  }));
  refuseUnused(outputs, base, architecture, config);
  return outputs;
}

/** Outputs with the names that the base has for its tensors. */
function asNamed(
  outputs: readonly OutputTensor[],
  { alsoNamed }: Architecture,
  base: BaseTensors,
): readonly OutputTensor[] {
  if (alsoNamed === undefined) return outputs;
  const named = (source: Source) => {
    const other = alsoNamed(source.tensor);
    return !base.has(source.tensor) && base.has(other) ? { ...source, tensor: other } : source;
  };
  return outputs.map((output) => ({ ...output, sources: output.sources.map(named) }));
}

/** A config may promise billions of layers or experts. Listing them would use up the memory. */
function refuseMoreThanThereIs(architecture: Architecture, config: ModelConfig, base: BaseTensors) {
  const layers = architecture.layers(config);
  const experts = architecture.experts(config);
  const isSingle = (role: Role) => role.routed === true && role.base.includes("{e}");
  const moe = layers.filter(({ mlp }) => mlp === "moe");
  // A checkpoint that mlx-lm converted has one tensor for all experts of a layer (converted.ts).
  const isStacked = [...base.keys()].some((name) => name.includes(".switch_mlp."));
  const single = isStacked
    ? 0
    : moe.filter((kind) => architecture.roles(kind).some(isSingle)).length;
  const routed = experts?.routed ?? 0;
  const largest = [...base.values()].reduce((most, { shape }) => Math.max(most, count(shape)), 0);
  if (layers.length + routed * single > base.size || routed > largest) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json promises ${layers.length} layers and ${routed * moe.length} routed experts, ` +
        `but the checkpoint has only ${base.size} tensors`,
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
  const routed = architecture.experts(config)?.routed ?? 0;
  const instances = (roles: readonly Role[], layer: number | null) =>
    roles
      .filter((role) => role.when?.(config) ?? true)
      .map((role) => instantiate(role, config, layer, routed));
  const [first, ...rest] = instances(architecture.outer, null);
  const blocks = architecture
    .layers(config)
    .map((kind, layer) => instances(architecture.roles(kind), layer));
  return [first!, ...blocks.flat(), ...rest];
}

function instantiate(
  role: Role,
  config: ModelConfig,
  layer: number | null,
  experts: number,
): OutputTensor {
  const name = (path: string) => path.replace("{i}", String(layer));
  const steps = role.from?.(config) ?? [];
  const shape = role.shape(config);
  const members = role.routed === true ? experts : 1;
  const sources = Array.from({ length: members }, (_, member) => {
    const whole = wholeTensor(name(role.base).replace("{e}", String(member)), shape);
    return steps.reduce<Source>((source, step) => step(source, member), whole);
  });
  const own = sources[0]?.shape ?? shape;
  return {
    role,
    layer,
    name: name(role.mlx),
    shape: role.routed === true ? [members, ...own] : own,
    sources,
  };
}

/**
 * Checks the base tensors of an output: all exist, have the shape that the config gives, and have
 * one dtype.
 */
function checkSources(output: OutputTensor, base: BaseTensors, architecture: Architecture) {
  const dtypes = new Set<string>();
  const distinct = new Map(output.sources.map((source) => [source.tensor, source]));
  for (const { tensor, base: shape } of distinct.values()) {
    checkShape(tensor, base.get(tensor), shape, architecture);
    const { dtype, coding } = base.get(tensor)!;
    dtypes.add(coding?.format ?? dtype);
  }
  if (dtypes.size > 1) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `the tensors stacked into "${output.name}" have several dtypes: ${[...dtypes].join(", ")}`,
    );
  }
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
      `tensor "${name}" is missing: config.json of this ${architecture.modelType} promises it ` +
        `with shape [${expected.join(", ")}]`,
      "The upload may be incomplete, or the config may belong to another checkpoint.",
    );
  }
  if (
    tensor.shape.length !== expected.length ||
    tensor.shape.some((size, axis) => size !== expected[axis])
  ) {
    const { coding, shape } = tensor;
    // Of codes the file has another tensor, and that has another shape.
    const found =
      coding === undefined
        ? `"${name}" has shape [${shape.join(", ")}]`
        : `"${coding.codes}" of shape [${shapeOfCodes(shape, coding).join(", ")}] holds values ` +
          `of shape [${shape.join(", ")}]`;
    throw new OqeError(
      "BAD_CHECKPOINT",
      `tensor ${found}, but config.json gives [${expected.join(", ")}]`,
      "The config may belong to another checkpoint.",
    );
  }
}

/** Throws if the MLX repository would silently lack a base tensor or a part of one. */
function refuseUnused(
  outputs: readonly OutputTensor[],
  base: BaseTensors,
  architecture: Architecture,
  config: ModelConfig,
) {
  const used = new Map<string, number>();
  const readBy = new Map<string, Source>();
  for (const source of outputs.flatMap(({ sources }) => sources)) {
    used.set(source.tensor, (used.get(source.tensor) ?? 0) + count(source.shape));
    readBy.set(source.tensor, source);
  }
  for (const name of base.keys()) {
    const source = readBy.get(name);
    if (source === undefined && architecture.dropped(name, config)) continue;
    const values = source && used.get(source.tensor);
    const all = source && count(source.base);
    if (source !== undefined && values === all) continue;
    refuseExtraLayer(name, architecture, config);
    const what =
      source === undefined
        ? "is named by no role"
        : `has ${all} values, but ${values} are used by the roles`;
    throw new OqeError(
      "UNSUPPORTED_MODEL",
      `tensor "${name}" ${what} of ${architecture.modelType}`,
      "The MLX repository would lack this tensor. Check that the config belongs to the " +
        "checkpoint, " +
        "or add the role (docs/adding-a-model.md).",
    );
  }
}

/**
 * Throws UNSUPPORTED_MODEL for a tensor of a layer behind the last. Some types have multi-token
 * prediction there (`num_nextn_predict_layers`), none of those that are supported.
 */
function refuseExtraLayer(name: string, architecture: Architecture, config: ModelConfig): void {
  const layer = Number(/(?:^|\.)layers\.(\d+)\./.exec(name)?.[1] ?? -1);
  const count = architecture.layers(config).length;
  if (layer < count) return;
  const { num_nextn_predict_layers: more } = config;
  const promised = typeof more === "number" ? ` and ${more} of multi-token prediction` : "";
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `tensor "${name}" is of layer ${layer}, but config.json gives ${count} layers${promised}: ` +
      `readers of ${architecture.modelType} know no layer behind the last`,
    "Multi-token prediction is carried where its names begin with mtp. only. Remove these layers " +
      "from the base's files and index, or take the config that belongs to them.",
  );
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
