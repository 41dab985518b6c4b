import type { CollectionResult } from "../hub/hub-types.ts";
import type { PublishedSeries } from "./publish.ts";

/** What a finished series gets besides its files. */
export interface Announcing {
  /** Tag on GitHub that started the run: each repository gets the same. null: none did. */
  readonly tag: string | null;
  /** Name of the series, whose collection lists its tiers. null: no collection. */
  readonly collection: string | null;
  /** Whether the run has all tiers of the series. */
  readonly isWhole: boolean;
}

/** What came of it. */
export interface Announced {
  readonly tag: string | null;
  /** Repositories that have the tag now, and whether this run put it there. */
  readonly tags: Readonly<Record<string, "tagged" | "unchanged">>;
  /** null: there is none. */
  readonly collection: CollectionResult | null;
}

export interface FinishedSeries extends PublishedSeries {
  /** null: the series is not published as a whole, or nothing was to be announced. */
  readonly announced: Announced | null;
}
