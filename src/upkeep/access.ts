import { OqeError } from "../ground/errors.ts";
import type { Hub, Identity } from "../hub/hub-types.ts";
import { checkRights, checkWrites } from "../series/publish-checks.ts";
import { checkBaseReads } from "./base-readers.ts";
import { forEachModel } from "./each-model.ts";
import { tierPlaces } from "./tier-cards.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/**
 * Checks, without writing, that the Hub token may write to every tier repository of the models that
 * are to be made, or may make it, and that it may read the base, as the jobs that tune do. Runs
 * before any job that measures, and reads one byte of the model.
 */
export async function checkAccess(request: UpkeepRequest): Promise<UpkeepResult> {
  const { report } = request;
  const hub = request.connect();
  /** The account is asked once for each namespace. */
  const rights = new Map<string, Promise<Identity["writable"]>>();
  return forEachModel(request, "Write access", async (model, inputs) => {
    const { namespace } = inputs;
    const known = rights.get(namespace) ?? checkRights(hub, inputs, report);
    rights.set(namespace, known);
    const writable = await known;
    await checkBaseReads(hub, inputs, "access");
    const states = new Map<{ recipe: { repository: string } }, { exists: boolean }>();
    for (const { repository } of tierPlaces(model.name, inputs))
      states.set({ recipe: { repository } }, await hub.inspect(repository));
    await checkWrites(hub, states, { writable, report });
    const missing = [...states].find(([, { exists }]) => !exists)?.[0].recipe.repository;
    if (missing !== undefined) await checkMembership(hub, namespace, missing);
    const found = [...states.values()].filter(({ exists }) => exists).length;
    return [
      `all repositories may be written; ${found} of ${states.size} exist; the base may be read`,
    ];
  });
}

/**
 * Throws FORBIDDEN if a repository has to be made where the account of the token is no member. The
 * Hub lists all organizations for a token with the role write; of other tokens it tells less.
 */
async function checkMembership(hub: Hub, namespace: string, repository: string): Promise<void> {
  if (hub.access !== "token") return;
  const identity = await hub.identify().catch(() => null); // checkRights has told what is wrong
  if (identity === null || identity.canWrite !== true || identity.writable !== null) return;
  const { name, organizations } = identity;
  const own = [name, ...organizations.map((one) => one.name)];
  if (own.includes(namespace)) return;
  throw new OqeError(
    "FORBIDDEN",
    `the token of ${name} may not create ${repository}: ${namespace} is neither its user nor one ` +
      `of its organizations (it may write to ${own.join(", ")})`,
    "Correct namespace in the series file, or save a token of a member with the role write.",
  );
}
