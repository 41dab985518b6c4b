import type { Base } from "../base/base.ts";
import { modulePath, storedTensors } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { byRole } from "../models/by-role.ts";
import { headRole, outerRole } from "../models/run.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { widthOf } from "../plan/plan-widths.ts";
import type { PartRecord } from "./part-record.ts";

type TunedBase = Pick<Base, "architecture" | "config" | "tensors" | "storage">;

/**
 * Whether a record is of a part of a tier: it names exactly the stored tensors of that part, and
 * has a result for each of their matrices. So a record of something else is not taken over, which
 * would leave tensors without bytes.
 */
export function partFits(base: TunedBase, plan: TierPlan): (part: PartRecord) => boolean {
  return (part) => {
    const router = /^router (\d+)$/.exec(part.name);
    if (router !== null) return isRouter(base, Number(router[1]), part);
    const tensors = tensorsOf(base, part.name).filter((one) => widthOf(plan, one) !== undefined);
    const stored = tensors.flatMap((one) => storedTensors(one, widthOf(plan, one), base.storage));
    const isComplete = haveSame(
      part.tensors,
      stored.map(({ name }) => name),
    );
    return isComplete && haveResults(tensors, part);
  };
}

function isRouter({ tensors }: TunedBase, layer: number, part: PartRecord): boolean {
  const found = tensors.find((one) => one.layer === layer && one.role.kind === "router");
  const { router, matrices, tokens } = part;
  return (
    found !== undefined &&
    haveSame(part.tensors, [byRole(tensors).get(layer, found.role.role).name]) &&
    router?.layer === layer &&
    matrices.length + tokens.length === 0
  );
}

/** The tensors of a part by its name; none for another name. */
function tensorsOf(
  { architecture, config, tensors }: TunedBase,
  name: string,
): readonly PlannedTensor[] {
  const block = /^block (\d+)$/.exec(name);
  if (block !== null) return tensors.filter(({ layer }) => layer === Number(block[1]));
  const outer: Readonly<Record<string, () => string>> = {
    embeddings: () => outerRole(architecture, "embeddings"),
    head: () => headRole(architecture, config),
  };
  if (!Object.hasOwn(outer, name)) return [];
  const role = outer[name]!();
  return tensors.filter((tensor) => tensor.layer === null && tensor.role.role === role);
}

function haveResults(tensors: readonly PlannedTensor[], part: PartRecord): boolean {
  const { matrices, tokens, routerAware, router } = part;
  const wanted = tensors.flatMap((tensor) =>
    tensor.sources.map((_, expert) => `${modulePath(tensor)} ${expert}`),
  );
  const found = matrices.map(({ module, expert }) => `${module} ${expert}`);
  const modules = new Set(tensors.map(modulePath));
  const routed = tensors.find(({ role }) => role.routed === true);
  return (
    haveSame(found, wanted) &&
    matrices.every(({ sums }) => sums.roundedRows <= sums.rows) &&
    tokens.length === (routed?.sources.length ?? 0) &&
    routerAware.every((module) => modules.has(module)) &&
    router === null
  );
}

/** Whether two lists have the same entries, each once, in any order. Not for empty lists. */
function haveSame(found: readonly string[], wanted: readonly string[]): boolean {
  const all = new Set(found);
  const isAlike = found.length === wanted.length && all.size === wanted.length;
  return isAlike && wanted.length > 0 && wanted.every((one) => all.has(one));
}
