import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { CollectionResult, Hub } from "../hub/hub-types.ts";
import { checkTagName, movedTag } from "../hub/tag.ts";
import type { Announced, Announcing, FinishedSeries } from "./announce-types.ts";
import { type PublishedTier, type Publishing, publishTiers } from "./publish.ts";
import type { RemoteStates } from "./published.ts";
import type { TierDraft } from "./recipes.ts";

interface Context {
  readonly hub: Hub;
  readonly report: Report;
}

/**
 * Refuses a tag that the Hub has for other files, before anything is made: a version that was
 * published never moves. `pending` get a new commit. Throws BAD_INPUT, CONFLICT.
 */
export async function checkTags(
  { hub, states }: { readonly hub: Hub; readonly states: RemoteStates },
  pending: readonly TierDraft[],
  tag: string | null,
): Promise<void> {
  if (tag === null) return;
  checkTagName(tag);
  for (const [draft, { exists, head }] of states) {
    const { repository } = draft.recipe;
    const is = exists ? await hub.readTag(repository, tag) : null;
    if (is === null || (is === head && !pending.includes(draft))) continue;
    const wanted = pending.includes(draft) ? "another commit, with other files" : `${head}`;
    throw movedTag(repository, tag, { is, wanted });
  }
}

/** Publishes the tiers. A series that is published as a whole gets its tags and its collection. */
export async function finishSeries(
  publishing: Publishing,
  announcing?: Announcing,
): Promise<FinishedSeries> {
  const { drafts, readsOnly, reached, isPrivate, report } = publishing;
  const published = await publishTiers(publishing);
  // What is proposed becomes a version when somebody merges it: the next run tags it.
  const isProposed = published.tiers.some(({ outcome }) => outcome === "proposed");
  const isDone = published.failure === null && reached === null && !readsOnly && !isProposed;
  if (announcing === undefined || !isDone) return { ...published, announced: null };
  const series = { ...announcing, name: drafts[0]!.recipe.base.name, isPrivate };
  return report
    .stage("Announce the series", () => announceSeries(publishing, published.tiers, series))
    .then((announced) => ({ ...published, announced }))
    .catch((failure: unknown) => ({ ...published, failure, announced: null }));
}

/**
 * Tags each repository of the series, also the unchanged ones, then refreshes the collection. A
 * repeated call writes nothing. Throws what the Hub answers; a token without a right to collections
 * is only a warning.
 */
async function announceSeries(
  { hub, report }: Context,
  tiers: readonly PublishedTier[],
  series: Announcing & { readonly name: string; readonly isPrivate: boolean },
): Promise<Announced> {
  const tags: Record<string, "tagged" | "unchanged"> = {};
  const { tag } = series;
  for (const { repository, commit } of tag === null ? [] : tiers) {
    tags[repository] = await hub.tag({ repository, tag: tag!, commit: commit! });
    const done = tags[repository] === "tagged" ? "is now" : "was already";
    report.info(`${repository}: ${commit} ${done} ${tag}`);
  }
  const collection =
    series.collection === null ? null : await refresh({ hub, report }, tiers, series);
  if (collection !== null) report.info(`collection ${collection.outcome}: ${collection.url}`);
  return { tag, tags, collection };
}

async function refresh(
  { hub, report }: Context,
  tiers: readonly PublishedTier[],
  series: Announcing & { readonly name: string; readonly isPrivate: boolean },
): Promise<CollectionResult | null> {
  const [namespace] = tiers[0]!.repository.split("/");
  try {
    return await hub.refreshCollection({
      namespace: namespace!,
      series: series.collection!,
      title: `${series.name} oQe`,
      description: `${series.name} for MLX, in mixed precision: one repository for each size.`,
      private: series.isPrivate,
      items: tiers,
      isWhole: series.isWhole,
    });
  } catch (failure) {
    const known = failure instanceof OqeError ? failure : null;
    if (known?.code !== "FORBIDDEN" && known?.code !== "UNAUTHORIZED") throw failure;
    report.warn(`${known.message}. ${known.hint}`);
    return null;
  }
}
