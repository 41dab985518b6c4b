import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inline, link } from "../card/markdown.ts";
import type { GitHub } from "../github/client.ts";
import { tagOf } from "../github/occasion.ts";
import { publishRelease, type ReleaseAsset } from "../github/release.ts";
import { OqeError } from "../ground/errors.ts";
import type { Hub } from "../hub/hub-types.ts";
import { sha256Of, sumsPath } from "../hub/sums.ts";
import { checkTagName } from "../hub/tag.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { inspectVisible } from "../series/published.ts";
import { readResults, type SeriesResult } from "../series/result-file.ts";
import { notePrepared, requirePrepared } from "./prepared-release.ts";
import { requireReleasable } from "./release-limits.ts";
import {
  attestedSums,
  listWeights,
  type ReleasedModel,
  type ReleasedTier,
  type ReleaseFile,
  readMark,
  releaseFiles,
  releaseNotes,
} from "./release-notes.ts";
import { openRepository, resultsFolder } from "./report.ts";
import { signerOf } from "./signer.ts";
import { type TierPlace, tierPlaces } from "./tier-cards.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";
import { isMaker, verdictsOf } from "./verdicts.ts";

/** Folder of the attached files, below the work folder. The workflow attests the receipts. */
const releaseFolder = "release";
/** Folder of the list of the other files that the workflow attests, below the work folder. */
const attestFolder = "attest";

/**
 * The GitHub release of the tag that started the run: matrix, receipts, pictures and the list of
 * all weights, as the Hub has them now. A release that is published is never changed. None is made
 * while a model was not made, or waits on the Hub for a person. A dry run leaves the files in the
 * work folder: they are attested before the release has them. Throws BAD_INPUT without a tag, or
 * for more tiers than a release holds, NOT_FOUND for a tier that is not published, CONFLICT for a
 * tag that moved, or for tiers that are not those of the dry run before.
 */
export async function releaseTag(request: UpkeepRequest): Promise<UpkeepResult> {
  const { asked, environment, file, inputsOf } = request;
  const tag = requireTag(environment.GITHUB_REF);
  requireReleasable(request);
  const { results } = await readResults(join(asked.workDir, resultsFolder));
  const waits = waitsFor(request, results);
  if (waits.length > 0) {
    const lines = waits.map((line) => `- ${line}\n`);
    const summary = `No release ${inline(tag)} yet.\n\n${lines.join("")}`;
    return { outputs: { changed: "false" }, summary, failure: null, waits: true };
  }
  const hub = request.connect();
  const models: ReleasedModel[] = [];
  for (const model of file.models)
    models.push({
      name: model.name,
      tiers: await publishedTiers(hub, tierPlaces(model.name, inputsOf(model))),
    });
  const github = await openRepository(request);
  const files = releaseFiles(models);
  await keepFiles(join(asked.workDir, releaseFolder), files);
  const attested = [{ name: sumsPath, content: attestedSums(models) }];
  await keepFiles(join(asked.workDir, attestFolder), attested);
  const holdTo = asked.dryRun ? notePrepared : requirePrepared;
  await holdTo(asked.workDir, { tag, files });
  const weights = sha256Of(listWeights(models));
  const last = await lastRelease(github, tag);
  const body = releaseNotes({
    ...{ models, mark: { weights }, repository: github.repository },
    signer: await signerOf(github.repository, environment),
    unchangedSince: last?.weights === weights ? last.tag : null,
  });
  const text = { tag, title: tag, body, assets: files.map(assetOf) };
  const { outcome, url } = await publishRelease(github, text, asked);
  const isPlan = asked.dryRun && outcome !== "unchanged";
  const name = url === null ? inline(tag) : link(inline(tag), url);
  const summary = `Release ${name}: ${isPlan ? `dry run; would be ${outcome}` : outcome}\n`;
  return { outputs: { changed: String(outcome !== "unchanged") }, summary, failure: null };
}

/** Why the models are not ready to be released, in Markdown. */
function waitsFor(
  { asked, file }: UpkeepRequest,
  results: readonly SeriesResult[],
): readonly string[] {
  const models = file.models.map(({ name }) => name);
  // If it is not known what had to be made, only results tell.
  const made = results.flatMap(({ series, command }) => (isMaker(command) ? (series ?? []) : []));
  const verdicts = verdictsOf({ models, expected: asked.models ?? made, results });
  const unfinished = verdicts.flatMap(({ name, state }) => {
    if (state === "green") return [];
    const why = state === "stopped" ? "is not finished: the next run goes on" : "was not made";
    return [`${inline(name)} ${why}.`];
  });
  const tiers = results.flatMap((result) => result.tiers);
  const proposed = tiers.filter(({ outcome }) => outcome === "proposed");
  const merges = proposed.map(
    ({ repository, url }) =>
      `${link(inline(repository), url)} waits for a person to merge it. Then run the tag again.`,
  );
  return [...unfinished, ...merges];
}

function requireTag(ref = ""): string {
  const tag = tagOf({ ref });
  if (tag !== null) return checkTagName(tag);
  throw new OqeError(
    "BAD_INPUT",
    `command release needs a tag, but this run is of ${inline(ref || "no ref")}`,
    "Run it on a push of a tag, or start the workflow at a tag.",
  );
}

/** The tiers of a model on the Hub. Throws NOT_FOUND, CONFLICT. */
async function publishedTiers(
  hub: Hub,
  places: readonly TierPlace[],
): Promise<readonly ReleasedTier[]> {
  const found: ReleasedTier[] = [];
  for (const { repository } of places) {
    const { receipt, sums } = await inspectVisible(hub, repository);
    if (receipt === null || sums === null) {
      throw new OqeError(
        receipt === null ? "NOT_FOUND" : "CONFLICT",
        `${repository} cannot be released: it has no ${receipt === null ? "receipt" : "SHA256SUMS of ours"} on main`,
        "Run the jobs of this model again. They publish what is missing. A private tier needs the " +
          "secret hub-read-token.",
      );
    }
    found.push({
      ...{ repository, url: `${hub.endpoint}/${repository}`, sums },
      ...{ receipt: parseReceipt(receipt, repository), receiptText: receipt },
    });
  }
  return found;
}

/** Tag and weights of the latest release; null: there is none of ours, or it is this very one. */
async function lastRelease(github: GitHub, tag: string) {
  const verb = { what: "read the latest release", permission: "contents: read" } as const;
  return github.settle(verb, async () => {
    const found = await github.rest.repos.getLatestRelease(github.at).catch((error) => {
      if (error?.status === 404) return null;
      throw error;
    });
    const mark = readMark(found?.data.body ?? "");
    if (found === null || mark === null || found.data.tag_name === tag) return null;
    return { tag: found.data.tag_name, weights: mark.weights };
  });
}

async function keepFiles(folder: string, files: readonly ReleaseFile[]): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const { name, content } of files) await writeFile(join(folder, name), content);
}

function assetOf({ name, content }: ReleaseFile): ReleaseAsset {
  const types: Readonly<Record<string, string>> = {
    ...{ json: "application/json", svg: "image/svg+xml", md: "text/markdown" },
  };
  const type = types[name.split(".").at(-1)!] ?? "text/plain";
  return { name, bytes: new TextEncoder().encode(content), type };
}
