import { OqeError } from "../ground/errors.ts";
import { type Inputs, parseInputs } from "../inputs/inputs.ts";
import { checkTierName, tierName } from "../series/tier-names.ts";
import { readModel } from "./read-model.ts";
import { mostJobs } from "./series-keys.ts";
import type { SeriesModel } from "./series-types.ts";

/** How a model is named in an error: by its index. */
export interface Places {
  readonly lineOf: (model: number) => number;
  /** Throws the error with the place of the key, or of the model if it does not have the key. */
  readonly refuse: (model: number, key: string, error: OqeError) => never;
}

/**
 * Refuses inputs of a model that exclude each other, more tiers than GitHub starts jobs, and models
 * that would write to the same place.
 */
export function refuseClashes(models: readonly SeriesModel[], { lineOf, refuse }: Places): void {
  const taken = new Map<string, number>();
  for (const [i, model] of models.entries()) {
    const { baseModel, namespace, tiers } = inputsOf(model, (key, error) => refuse(i, key, error));
    const id = baseModel.kind === "hub" ? baseModel.id : "";
    const [, base = ""] = id.split("/");
    if (namespace === exampleNamespace) refuse(i, "namespace", unnamed());
    if (tiers.length > mostJobs) refuse(i, "tiers", tooMany(tiers.length));
    const repositories = tiers.map(({ name }) => nameRepository(base, name, namespace));
    const unusable = repositories.find((one) => one instanceof OqeError);
    if (unusable !== undefined) refuse(i, "namespace", unusable);
    const claims: readonly Claim[] = [
      {
        key: "base-model",
        word: `${namespace} ${id}`,
        what: `${id} is in the list twice for namespace ${namespace}`,
        hint: "List all of its tiers in one place.",
      },
      {
        key: "name",
        word: model.name,
        what: `another model is called ${model.name} too`,
        hint: "Give one of them another name.",
      },
      ...repositories.map((repository) => ({
        key: "tiers",
        word: String(repository),
        what: `another model writes ${repository} too`,
        hint: "Give one of them another namespace, or other tiers.",
      })),
    ];
    for (const { key, word, what, hint } of claims) {
      const claimed = `${key} ${word.toLowerCase()}`; // the Hub and macOS ignore case
      const other = taken.get(claimed) ?? i;
      const message = `${what} (line ${lineOf(other)})`;
      if (other !== i) refuse(i, key, new OqeError("BAD_INPUT", message, hint));
      taken.set(claimed, i);
    }
  }
}

/** What only one model may have. */
interface Claim {
  readonly key: string;
  readonly word: string;
  readonly what: string;
  readonly hint: string;
}

function tooMany(tiers: number): OqeError {
  const message = `expected at most ${mostJobs} tiers, got ${tiers}`;
  return new OqeError("BAD_INPUT", message, "GitHub starts no more jobs of a matrix.");
}

/** The model's inputs. A fault is reported at the key that it names first. */
function inputsOf(model: SeriesModel, refuse: (key: string, error: OqeError) => never): Inputs {
  try {
    return parseInputs(
      readModel(model, () => ""),
      {},
    );
  } catch (error) {
    if (!(error instanceof OqeError)) throw error;
    const [start = "", key = ""] = /^([a-z][a-z-]*): /.exec(error.message) ?? [];
    const own = error.message.slice(start.length);
    return refuse(key, new OqeError("BAD_INPUT", own, error.hint, error));
  }
}

/** The namespace of the series file that `oqe init` writes. */
const exampleNamespace = "your-name";

function unnamed(): OqeError {
  return new OqeError(
    "BAD_INPUT",
    `"${exampleNamespace}" is the example's namespace`,
    "Set your user or organization on the Hub, and base-model too.",
  );
}

function nameRepository(base: string, tier: string, namespace: string): string | OqeError {
  try {
    return checkTierName(tierName(base, tier), namespace);
  } catch (error) {
    if (error instanceof OqeError) return error;
    throw error;
  }
}
