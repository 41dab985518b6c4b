import { basename } from "node:path";
import { licenceWarnings } from "../card/licence.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub, Identity } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import { rehearseCard } from "./card-files.ts";
import type { TierRun } from "./recipes.ts";
import { checkTierName, tierName } from "./tier-names.ts";

/** Checks before any weight is read. A publish that must fail does so in its first seconds. */

/** Throws BAD_INPUT for a namespace or tier repository that the Hub would refuse. */
export function checkNames({
  baseModel,
  namespace,
  tiers,
}: Pick<Inputs, "baseModel" | "namespace" | "tiers">): void {
  if (namespace === "") {
    throw new OqeError(
      "BAD_INPUT",
      "no namespace given",
      "Name the user or organization that owns the tier repositories.",
    );
  }
  const modelName = basename(baseModel.kind === "folder" ? baseModel.path : baseModel.id);
  for (const tier of tiers) checkTierName(tierName(modelName, tier.name), namespace);
}

/**
 * Asks the Hub who owns the token. Gives the namespaces and repositories that a fine-grained token
 * may write to; null: the Hub does not say. A keyless run has no account: each repository tells
 * when it is looked at. Throws UNAUTHORIZED, FORBIDDEN.
 */
export async function checkRights(
  hub: Hub,
  { namespace }: Pick<Inputs, "namespace">,
  report: Report,
): Promise<Identity["writable"]> {
  if (hub.access === "none") {
    throw new OqeError(
      "UNAUTHORIZED",
      "no Hub token given",
      "Set the input hub-token, or HF_TOKEN, to a token with write access. For a run without a " +
        "token (Trusted Publishers), add the line `id-token: write` below `permissions:` of the job.",
    );
  }
  if (hub.access === "keyless") {
    report.info("no token: the Hub is asked for one for each repository (Trusted Publishers)");
    return null;
  }
  const identity = await hub.identify().catch(ifAbsent(report, "does not tell who owns a token"));
  if (identity === null) return null;
  const { name, canWrite, organizations, writable } = identity;
  if (canWrite === false) {
    throw new OqeError(
      "FORBIDDEN",
      `the token of ${name} may read but not write`,
      `Make a token with write access to ${namespace}.`,
    );
  }
  if (writable !== null && !writable.some((entity) => entity.split("/")[0] === namespace)) {
    throw new OqeError(
      "FORBIDDEN",
      `the fine-grained token of ${name} has no write access to repositories of ${namespace}`,
      `Give it the permission to write to the repositories of ${namespace}.`,
    );
  }
  const organization = organizations.find((one) => one.name === namespace);
  if (organization?.role === "read") {
    throw new OqeError(
      "FORBIDDEN",
      `${name} may only read in the organization ${namespace}`,
      "Ask its admins for the role `contributor` or `write`.",
    );
  }
  if (name !== namespace && organization === undefined) {
    report.warn(
      `the token belongs to ${name}; the Hub does not list ${namespace} among its organizations`,
    );
  }
  return writable;
}

/**
 * Asks about every repository that exists. Others must be in a namespace where the token may make
 * them. Throws UNAUTHORIZED, FORBIDDEN.
 */
export async function checkWrites(
  hub: Hub,
  states: Iterable<
    readonly [{ readonly recipe: { readonly repository: string } }, { readonly exists: boolean }]
  >,
  { writable, report }: { readonly writable: Identity["writable"]; readonly report: Report },
): Promise<void> {
  const warn = ifAbsent(report, "does not tell whether a token may write to a repository");
  for (const [{ recipe }, { exists }] of states) {
    const { repository } = recipe;
    if (exists) {
      if ((await hub.checkWrite(repository).then(() => true, warn)) === null) return;
    } else if (writable?.includes(repository.split("/")[0]!) === false) {
      throw new OqeError(
        "FORBIDDEN",
        `the fine-grained token may not create ${repository}: it names single repositories only`,
        "Give it the permission to write to all repositories of the namespace.",
      );
    }
  }
}

/** Lets the Hub check each card's metadata. Throws TEMPLATE. */
export async function checkCards(
  hub: Hub,
  runs: readonly TierRun[],
  report: Report,
): Promise<void> {
  const [first] = runs; // all tiers of a run have the same licence
  const warnings = first === undefined ? [] : licenceWarnings({ ...first.recipe, files: {} });
  for (const warning of warnings) report.warn(warning);
  for (const { recipe } of runs) {
    const card = await rehearseCard(recipe);
    const checked = await hub.validateCard(card).catch(ifAbsent(report, "does not check cards"));
    const errors = checked ?? [];
    if (errors.length > 0) {
      throw new OqeError(
        "TEMPLATE",
        `the Hub refuses the metadata of ${recipe.repository}: ${errors.join("; ")}`,
        "It comes from the base model's card: check license, language and tags there.",
      );
    }
  }
}

/** For a Hub that lacks the endpoint of an early check: warns and goes on. */
function ifAbsent(report: Report, what: string): (error: unknown) => null {
  return (error) => {
    if (!(error instanceof OqeError) || error.code !== "NOT_FOUND") throw error;
    report.warn(`this Hub ${what}; going on without`);
    return null;
  };
}
