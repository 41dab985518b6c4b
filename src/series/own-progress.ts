import type { Hub } from "../hub/hub-types.ts";
import { type KnownEntries, readEntries, readRecipe, receiptFile } from "./staged-records.ts";
import { isUnreachable, readStaging } from "./staging-claim.ts";

/** A tier's own job, as its staging branch shows it to the job that works ahead of it. */
export class OwnProgress {
  readonly #hub: Hub;
  readonly #repository: string;
  readonly #recipe: string;
  readonly #known: KnownEntries = new Map();
  /** The last block that it has staged; Infinity: the tier is finished. */
  reached = -1;

  /** `recipe`: its name (digestOf). */
  constructor(hub: Hub, repository: string, recipe: string) {
    this.#hub = hub;
    this.#repository = repository;
    this.#recipe = recipe;
  }

  /** Looks at the branch again. */
  async look(): Promise<void> {
    try {
      const branch = await readStaging(this.#hub, this.#repository);
      if (branch === null || (await readRecipe(branch)) !== this.#recipe) return;
      if (branch.files.has(receiptFile)) this.reached = Number.POSITIVE_INFINITY;
      for (const { parts } of await readEntries(branch, this.#known))
        for (const { part } of parts) this.reached = Math.max(this.reached, layerOf(part.name));
    } catch (error) {
      if (!isUnreachable(error)) throw error; // then what was seen last counts
    }
  }
}

/** The block of a part; -1 for one outside the blocks, and for a router. */
function layerOf(part: string): number {
  return Number(/^block (\d+)$/.exec(part)?.[1] ?? -1);
}
