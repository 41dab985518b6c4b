import { asObject, show } from "../checkpoint/json.ts";
import { everyModule, type Group } from "./groups.ts";
import {
  blockOf,
  type Fields,
  floatScheme,
  isCount,
  oneScale,
  type Refuse,
  rowScales,
  type Scheme,
} from "./scheme.ts";

/** Real configs have a handful. Each is compared with each tensor. */
const mostGroups = 32;

/**
 * The groups of modules that a checkpoint of compressed-tensors codes alike, from its
 * `config_groups` (QuantizationConfig and QuantizationArgs of compressed-tensors 0.20).
 */
export function compressedGroups(settings: Fields, refuse: Refuse): readonly Group[] {
  const sparsity = asObject(settings.sparsity_config)?.format ?? "dense";
  if (sparsity !== "dense") refuse(`sparsity ${show(sparsity)}`, "dense weights");
  const all = Object.values(asObject(settings.config_groups) ?? {});
  if (all.length > mostGroups) refuse(`${all.length} config_groups`, `${mostGroups} at most`);
  const groups = all.map((group): Group => {
    const fields = asObject(group);
    if (fields === undefined) return refuse(`the config group ${show(group)}`, "objects");
    const weights = asObject(fields.weights);
    const schemes = weights && [schemeOf(fields.format ?? settings.format, weights, refuse)];
    return { schemes: schemes ?? [], targets: targetsOf(fields, refuse), isDeep: false };
  });
  const coded = groups.filter(({ schemes }) => schemes.length > 0);
  if (coded.length === 0) refuse("no config group for weights", "groups with weights");
  // One group of all linear modules is what settings without groups say.
  const [only] = groups;
  const isWhole = groups.length === 1 && (only!.targets ?? []).every((one) => one === "Linear");
  return isWhole ? everyModule(only!.schemes) : groups;
}

function targetsOf({ targets = null }: Fields, refuse: Refuse): readonly string[] | null {
  if (targets === null) return null;
  const isList = Array.isArray(targets) && targets.every((one) => typeof one === "string");
  return isList ? targets : refuse(`the targets ${show(targets)}`, "lists of names");
}

/** Type and bits of the codes of each format, and its scheme. */
const formats: Readonly<
  Record<string, readonly [string, number, (weights: Fields, refuse: Refuse) => Scheme]>
> = {
  "pack-quantized": ["int", 4, packed],
  "float-quantized": ["float", 8, floats],
  "naive-quantized": ["float", 8, floats],
  "mxfp8-quantized": ["float", 8, () => floatScheme("fp8", [1, 32], true)],
  "mxfp4-pack-quantized": ["float", 4, () => floatScheme("fp4", [1, 32], true)],
};

function schemeOf(format: unknown, weights: Fields, refuse: Refuse): Scheme {
  const known = typeof format === "string" && Object.hasOwn(formats, format);
  if (!known) return refuse(`format ${show(format)}`, Object.keys(formats).join(", "));
  const [ownType, ownBits, make] = formats[format]!;
  const { type = "int", num_bits: bits = 8, symmetric = true, actorder = null } = weights;
  if (type !== ownType || bits !== ownBits)
    refuse(
      `${show(bits)} bits of type ${show(type)} in format ${format}`,
      `${ownBits} of ${ownType}`,
    );
  if (ownType === "float" && symmetric !== true) refuse("zero points of floats", "none");
  // The order by which columns were quantized does not matter, unless it also chose their groups.
  const isOrdered = actorder === true || actorder === "group" || actorder === "dynamic";
  if (isOrdered) refuse(`actorder ${show(actorder)}`, "columns in their own order");
  return make(weights, refuse);
}

function floats(weights: Fields, refuse: Refuse): Scheme {
  const strategy = strategyOf(weights);
  if (strategy === "tensor") return floatScheme("fp8", oneScale);
  if (strategy === "channel") return floatScheme("fp8", rowScales);
  if (strategy === "group") return floatScheme("fp8", [1, groupSize(weights, refuse)]);
  if (strategy === "block") return floatScheme("fp8", blockOf(weights.block_structure, refuse));
  return refuse(`strategy ${show(strategy)}`, "tensor, channel, group and block");
}

function packed(weights: Fields, refuse: Refuse): Scheme {
  const strategy = strategyOf(weights);
  const shared = { format: "int4", zeros: weights.symmetric === false, powers: false } as const;
  if (strategy === "channel") return { ...shared, block: rowScales };
  if (strategy === "group") return { ...shared, block: [1, groupSize(weights, refuse)] };
  return refuse(`strategy ${show(strategy)} of packed integers`, "channel and group");
}

/** As compressed-tensors infers it from the size of the groups. */
function strategyOf({ strategy, group_size: size }: Fields): unknown {
  if (strategy !== undefined && strategy !== null) return strategy;
  if (size === undefined || size === null) return "tensor";
  return size === -1 ? "channel" : "group";
}

function groupSize({ group_size: size }: Fields, refuse: Refuse): number {
  if (!isCount(size) || size % 2 !== 0) refuse(`groups of ${show(size)}`, "even sizes above 0");
  return size as number;
}
