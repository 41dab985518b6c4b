import { asObject } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { type Carried, type CarriedTensor, partOf, partWords, sidecars } from "./carried.ts";
import { compareTensor, type PartTensor } from "./part-tensors.ts";

/** config.json as the file has it, and as the architecture folds it. */
interface Configs {
  readonly config: ModelConfig;
  readonly folded: ModelConfig;
}

/**
 * Throws BAD_CHECKPOINT for a part that is not whole or has another shape than the config gives,
 * or that config.json promises in vain or does not know.
 */
export function checkCarried(
  declared: readonly Carried[],
  configs: Configs,
  carried: readonly CarriedTensor[],
): void {
  for (const one of declared) {
    const own = carried.filter(({ source }) => partOf([one], source.tensor) !== null);
    checkPresence(one, configs.config, own);
    if (own.length > 0) checkPart(one, configs, own);
  }
}

const leave = ({ part }: Carried) => `Or leave it out: set carry without ${part}.`;
const whole = (declared: Carried) => `Download the whole model again. ${leave(declared)}`;
const otherCheckpoint = "The config may belong to another checkpoint.";

/** Both config.json and the files have the part, or neither. */
function checkPresence(declared: Carried, config: ModelConfig, own: readonly CarriedTensor[]) {
  const { configKeys, names, part } = declared;
  if (configKeys === undefined) return;
  const key = configKeys.find((one) => isSet(config, one));
  if ((key !== undefined) === own.length > 0) return;
  const prefixes = names.map(([base]) => `"${base}"`).join(", ");
  const problem =
    key === undefined
      ? `tensor "${own[0]!.source.tensor}" is of a ${partWords[part]}, but config.json has no ` +
        `"${configKeys[0]}"`
      : `config.json has "${key}", but no tensor begins with ${prefixes}`;
  throw bad(problem, `The upload may be incomplete. ${leave(declared)}`);
}

function checkPart(
  declared: Carried,
  { config, folded }: Configs,
  own: readonly CarriedTensor[],
): void {
  const first = declared.names[0]![0];
  const byName = inBaseLayout(declared, own);
  checkLayers(declared, config, own);
  const behindFirst = [...byName.keys()].filter((name) => name.startsWith(first));
  const names = new Set(behindFirst.map((name) => name.slice(first.length)));
  const known = new Set<string>();
  for (const tensor of declared.needs?.({ file: config, folded, names }) ?? []) {
    const name = nameInBase(declared, tensor);
    compare(declared, { ...tensor, name }, { byName, own });
    known.add(name);
  }
  const unknown = declared.isWhole && [...byName.keys()].find((name) => !known.has(name));
  if (unknown) {
    const spell = (name: string) => asSpelled(declared, name, own);
    throw notKnown(declared, spell(unknown), [...known].map(spell));
  }
}

/** A tensor that no role of the part knows: what uses the part would not load or not read it. */
function notKnown(declared: Carried, unknown: string, known: readonly string[]): OqeError {
  const { part } = declared;
  const [owner, why] =
    sidecars[part] === null ? ["mlx-vlm's", ": mlx-vlm would not load the tier"] : ["the", ""];
  return new OqeError(
    "UNSUPPORTED_MODEL",
    `tensor "${unknown}" is none that ${owner} ${partWords[part]} has under this config${why}; ` +
      knownBeside(unknown, known),
    `Correct config.json, or remove the tensor from the base. ${leave(declared)}`,
  );
}

/** The most modules that a message names. */
const mostNamed = 12;

/** The modules that are known at the place where a name leaves all known names. */
function knownBeside(name: string, known: readonly string[]): string {
  const parts = name.split(".");
  const prefixes = parts.map((_, i) => `${parts.slice(0, i + 1).join(".")}.`).toReversed();
  const below = prefixes.find((prefix) => known.some((one) => one.startsWith(prefix))) ?? "";
  const next = known
    .filter((one) => one.startsWith(below))
    .map((one) => one.slice(below.length).split(".")[0]!);
  const modules = [...new Set(next)];
  const isNumbered = modules.length > 1 && modules.every((one) => /^\d+$/.test(one));
  const shown = isNumbered
    ? `${modules[0]} to ${modules.at(-1)}`
    : modules.slice(0, mostNamed).join(", ") + (modules.length > mostNamed ? ", …" : "");
  return `known below "${below}" ${modules.length === 1 ? "is" : "are"} ${shown}`;
}

/** Compares a tensor that a whole part has with the base's. */
function compare(
  declared: Carried,
  wanted: PartTensor,
  { byName, own }: { byName: ReturnType<typeof inBaseLayout>; own: readonly CarriedTensor[] },
): void {
  const shape = compareTensor(wanted, byName);
  if (shape === null) return;
  const spelled = asSpelled(declared, wanted.name, own);
  const what = partWords[declared.part];
  if (shape === "missing")
    throw bad(`the ${what} is incomplete: tensor "${spelled}" is missing`, whole(declared));
  throw bad(
    `the ${what} has tensor "${spelled}" of shape [${shape.join(", ")}], but config.json gives ` +
      `[${wanted.shape.map((size) => size ?? "any").join(", ")}]`,
    `${otherCheckpoint} ${leave(declared)}`,
  );
}

/** All numbered layers are there, with the same names. */
function checkLayers(declared: Carried, config: ModelConfig, own: readonly CarriedTensor[]): void {
  const first = declared.names[0]![0];
  const what = partWords[declared.part];
  const all = [...inBaseLayout(declared, own).keys()];
  for (const [prefix, countOf] of Object.entries(declared.layers ?? {})) {
    const byLayer = gatherLayers(first + prefix, all);
    const count = countOf(config) ?? byLayer.size;
    const spelled = (rest: string) => asSpelled(declared, `${first}${prefix}${rest}`, own);
    if (byLayer.size > count)
      throw bad(
        `the ${what} has ${byLayer.size} layers "${spelled("N")}", config.json says ${count}`,
        otherCheckpoint,
      );
    // Then `needs` tells what is missing.
    if (declared.isWhole) continue;
    const leaves = new Set([...byLayer.values()].flatMap((one) => [...one]));
    for (let layer = 0; layer < count; layer++) {
      const found = byLayer.get(String(layer));
      for (const leaf of leaves.size === 0 ? ["…"] : leaves)
        if (!found?.has(leaf))
          throw bad(
            `the ${what} is incomplete: tensor "${spelled(`${layer}.${leaf}`)}" is missing`,
            whole(declared),
          );
    }
  }
}

function nameInBase({ names }: Carried, { name, under = names[0]![0] }: PartTensor): string {
  return under + name;
}

/** A name in the base's spelling: it may have mlx-vlm's names. */
function asSpelled(declared: Carried, name: string, own: readonly CarriedTensor[]): string {
  const found = partOf([declared], name);
  const isMlx = own.some(({ source }) => partOf([declared], source.tensor)?.isMlx);
  return found !== null && isMlx ? found.mlx + name.slice(found.prefix.length) : name;
}

/** Tensors of a part in the base's layout, by their names in a base with the authors' spelling. */
function inBaseLayout(declared: Carried, own: readonly CarriedTensor[]) {
  return new Map(
    own.map(({ dtype, source: { tensor, base, shape } }) => {
      const { prefix, base: first } = partOf([declared], tensor)!;
      const name = first + tensor.slice(prefix.length);
      const isSame = shape.every((size, axis) => size === base[axis]);
      // What would move and did not is in mlx-vlm's layout: the second axis is last.
      const isMoved = isSame && base.length > 2 && declared.move?.(name, base.length);
      const axes = isMoved ? [base[0]!, ...base.slice(-1), ...base.slice(1, -1)] : base;
      return [name, { dtype, shape: axes }] as const;
    }),
  );
}

/** Layers by number -> the names behind it. */
function gatherLayers(prefix: string, names: Iterable<string>): Map<string, Set<string>> {
  const layers = new Map<string, Set<string>>();
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const [layer, ...rest] = name.slice(prefix.length).split(".") as [string, ...string[]];
    layers.set(layer, (layers.get(layer) ?? new Set()).add(rest.join(".")));
  }
  return layers;
}

/** Whether config.json has an object under the key that says something. */
function isSet(config: ModelConfig, key: string): boolean {
  return Object.keys(asObject(config[key]) ?? {}).length > 0;
}

function bad(problem: string, hint: string): OqeError {
  return new OqeError("BAD_CHECKPOINT", problem, hint);
}
