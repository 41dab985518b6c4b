import type { Identity } from "../hub/hub-types.ts";
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
    const found = [...states.values()].filter(({ exists }) => exists).length;
    return [
      `all repositories may be written; ${found} of ${states.size} exist; the base may be read`,
    ];
  });
}
