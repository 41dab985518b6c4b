import { makeSensitivity } from "../support/sensitivities.ts";
import { documentTargets } from "./documents.ts";
import type { Target } from "./target.ts";
import { makeUnfinishedTier } from "./unfinished-tier.ts";
import { workTargets } from "./work.ts";

/** Every reader of documents from outside. */
export async function allTargets(): Promise<readonly Target[]> {
  const tier = await makeUnfinishedTier();
  const { tensors } = await tier.openBase();
  const documents = await documentTargets(JSON.stringify(makeSensitivity(tensors)));
  return [...documents, ...(await workTargets(tier))];
}
