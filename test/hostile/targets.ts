import { makeSensitivity } from "../support/sensitivities.ts";
import { baseFileTargets } from "./base-files.ts";
import { cardTargets } from "./cards.ts";
import { codedTargets } from "./coded.ts";
import { documentTargets } from "./documents.ts";
import { seriesFile } from "./series.ts";
import type { Target } from "./target.ts";
import { makeUnfinishedTier } from "./unfinished-tier.ts";
import { workTargets } from "./work.ts";

/** Every reader of documents from outside. */
export async function allTargets(): Promise<readonly Target[]> {
  const tier = await makeUnfinishedTier();
  const base = await tier.openBase();
  const sensitivity = JSON.stringify(makeSensitivity(base.tensors));
  return [
    seriesFile,
    ...cardTargets,
    ...(await documentTargets(sensitivity)),
    ...(await codedTargets()),
    ...(await baseFileTargets(sensitivity, base)),
    ...(await workTargets(tier)),
  ];
}
