import { findEdits, readNotes } from "../card/kept-notes.ts";
import { code, inline, link } from "../card/markdown.ts";
import { type PictureFiles, pictureFilePaths } from "../card/picture-files.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { cardPath, type Hub } from "../hub/hub-types.ts";
import { sha256Of, sumsPath, writeSums } from "../hub/sums.ts";
import { findForeignWork, refuseForeignWork } from "../series/foreign-work.ts";
import { readCheckedOut } from "./checked-out.ts";
import { forEachModel } from "./each-model.ts";
import {
  cardInRepository,
  filesOnHub,
  readTier,
  type TierCards,
  tierPlaces,
} from "./tier-cards.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/**
 * Sends the cards of the GitHub repository and their pictures, with a new SHA256SUMS and nothing
 * else, to the tiers' repositories on the Hub: one commit each, or one pull request. Of a card only
 * the notes count; the rest is made from the receipt on the Hub again. All tiers of a model are
 * checked before the first is changed. A model that fails does not stop the others.
 */
export async function pushCards(request: UpkeepRequest): Promise<UpkeepResult> {
  const hub = request.connect();
  return forEachModel(request, "Cards sent to the Hub", async (model, inputs) => {
    const root = request.environment.GITHUB_WORKSPACE || ".";
    const changes: CardChange[] = [];
    for (const place of tierPlaces(model.name, inputs)) {
      const text = await readCheckedOut(root, place.path);
      if (text === null) request.report.info(`${place.path}: there is no such card`);
      else changes.push(await prepare(hub, { ...place, text }, request.report));
    }
    for (const change of changes) await checkMetadata(hub, change);
    const lines: string[] = [];
    const proposes = inputs.hubPullRequest;
    for (const change of changes) lines.push(await send(hub, { ...change, proposes }, request));
    return lines;
  });
}

/** What is to be changed on main of one tier. */
interface CardChange {
  readonly tier: TierCards;
  readonly card: string;
  /** Files that main lacks or has otherwise, by path. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Pictures that the receipt has no figures for. */
  readonly deleted: readonly string[];
}

type CardFile = Parameters<typeof readTier>[1] & { readonly text: string };

/** Throws NOT_FOUND, NOT_OURS, BAD_INPUT; warns of what people changed outside the markers. */
async function prepare(hub: Hub, file: CardFile, report: Report): Promise<CardChange> {
  const { repository, path, text } = file;
  const tier = await readTier(hub, file);
  if (tier === null) {
    throw new OqeError(
      "NOT_FOUND",
      `${path} cannot be sent: ${repository} has no receipt on main`,
      `Publish the tier again, or remove ${path} and its pictures.`,
    );
  }
  refuseForeignWork(repository, tier.state, findForeignWork(tier.state, new Map()));
  const found = { where: path, text };
  const made = await cardInRepository(tier);
  const notes = readNotes(found, made);
  const edits = findEdits(found, made);
  if (edits !== "") {
    report.warn(
      `${path} differs from the card that the receipt gives, outside the markers for notes. The ` +
        `Hub gets the card from the receipt, with the notes:\n${edits}`,
    );
  }
  const { card, files, failures } = await filesOnHub(tier, notes);
  for (const failure of failures)
    report.warn(`${repository}: a picture could not be drawn: ${failure}`);
  return { tier, card, ...findChanges(tier, files) };
}

/** Compares main with card, pictures and the list of files that they give. */
function findChanges({ state }: TierCards, made: PictureFiles["files"]) {
  const deleted = pictureFilePaths.filter((path) => !made.has(path) && state.files.has(path));
  const sums = new Map(state.sums);
  for (const path of deleted) sums.delete(path);
  for (const [path, content] of made) sums.set(path, sha256Of(content));
  const files = new Map(
    [...made].filter(([path, content]) => state.files.get(path)?.sha256 !== sha256Of(content)),
  );
  const list = writeSums(sums);
  if (writeSums(state.sums!) !== list) files.set(sumsPath, new TextEncoder().encode(list));
  return { files, deleted };
}

/** Throws TEMPLATE for a card whose front matter the Hub refuses. */
async function checkMetadata(hub: Hub, { tier, card, files }: CardChange): Promise<void> {
  if (!files.has(cardPath)) return;
  const errors = await hub.validateCard(card).catch((error: unknown) => {
    if (error instanceof OqeError && error.code === "NOT_FOUND") return []; // it does not check
    throw error;
  });
  if (errors.length === 0) return;
  throw new OqeError(
    "TEMPLATE",
    `the Hub refuses the metadata of ${tier.repository}: ${errors.join("; ")}`,
    "It comes from the base model's card: check license, language and tags there.",
  );
}

/** Sends one tier's changes; gives a line for the summary. */
async function send(
  hub: Hub,
  { tier, files, deleted, proposes }: CardChange & { readonly proposes: boolean },
  { asked, occasion, report }: UpkeepRequest,
): Promise<string> {
  const { repository, state } = tier;
  const page = link(inline(repository), `${hub.endpoint}/${repository}`);
  if (files.size === 0 && deleted.length === 0) return `${page}: unchanged`;
  const named = [...files.keys(), ...deleted].map(code).join(", ");
  if (asked.dryRun) return `${page}: dry run; would change ${named}`;
  // A pull request is found again by its title, whatever started the run.
  const cause = occasion === "" || proposes ? "" : `, for ${occasion}`;
  const { commit, pull } = await hub.amend({
    repository,
    files: [...files].map(([path, content]) => ({ path, content })),
    deleted,
    title: `Update the card${cause}`.slice(0, 200),
    parent: state.head,
    proposes,
  });
  if (pull !== null) {
    report.info(`${repository}: card and pictures proposed: ${pull}`);
    return `${page}: ${link("proposed", pull)}: ${named}`;
  }
  report.info(`${repository}: card and pictures sent, commit ${commit}`);
  return `${page}: ${code(commit)} changed ${named}`;
}
