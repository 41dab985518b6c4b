import { quote, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture } from "../models/architecture.ts";
import { findNearest, type Nearest } from "../models/nearest.ts";
import { architectureFor, baseTypesOf, findArchitecture } from "../models/registry.ts";

/** Names of each kind that a message lists. */
const mostNamed = 4;

interface Named {
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, unknown>;
}

/**
 * The architecture of a checkpoint. Throws UNSUPPORTED_MODEL for a model_type that is not
 * supported: it names the nearest that is, and what differs.
 */
export function architectureOf(
  { config, tensors }: Named,
  among: readonly Architecture[],
): Architecture {
  const { model_type: type } = config;
  if (type === undefined || architectureFor(type, among) !== undefined)
    return findArchitecture(config, among);
  const nearest = findNearest(config, tensors.keys(), among);
  if (nearest === null) return findArchitecture(config, among);
  const supported = among.flatMap(baseTypesOf).join(", ");
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: model_type ${show(type)} is not supported. ${describe(nearest)} ` +
      `Supported are ${supported}`,
    `A base is never run as another type: what differs would give wrong values. ` +
      "docs/adding-a-model.md says how to add one: a role table and a forward pass.",
  );
}

function describe({ architecture, known, names, unknown, missing, features }: Nearest): string {
  const nearest =
    `Nearest is ${quote(architecture.modelType)} (${architecture.label}), which has ` +
    `${known} of the ${names} names of tensors here, layers and experts counted once.`;
  const differences = [
    ["It does not know", unknown],
    ["It needs, and this checkpoint lacks,", missing],
    ["config.json also has", features],
  ] as const;
  const sentences = differences.flatMap(([start, list]) =>
    list.length === 0 ? [] : [`${start} ${some(list)}.`],
  );
  return [nearest, ...sentences].join(" ");
}

/** Names are of a file that is not trusted. */
function some(list: readonly string[]): string {
  const more = list.length - mostNamed;
  const named = list.slice(0, mostNamed).map((name) => quote(name).slice(1, -1));
  return named.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
