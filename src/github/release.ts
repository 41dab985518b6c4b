import { createHash } from "node:crypto";
import { OqeError } from "../ground/errors.ts";
import { checkRevision, printable } from "../hub/names.ts";
import type { GitHub } from "./client.ts";
import { isMarked, marker, plainTitle, sealedText, sealsOf } from "./sealed-text.ts";

export interface ReleaseAsset {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Media type. */
  readonly type: string;
}

export interface ReleaseText {
  readonly tag: string;
  readonly title: string;
  readonly body: string;
  readonly assets: readonly ReleaseAsset[];
}

export interface ReleaseResult {
  /**
   * `attached`: a person made the release; its text was left alone and assets were added to it.
   * A person's draft stays a draft.
   */
  readonly outcome: "published" | "attached" | "unchanged";
  /** null: a dry run, and there is none yet. */
  readonly url: string | null;
}

const permission = "contents: write";

/**
 * Publishes the release of a tag: draft, assets, publication, so that an immutable release is
 * whole. A draft that an earlier run left is continued. A published release is never changed: with
 * the same assets it is `unchanged`. A dry run only tells what would come of it. Two runs at once
 * publish one; the other's draft is removed. Throws CONFLICT if the tag has moved since, or the
 * assets differ.
 */
export async function publishRelease(
  github: GitHub,
  text: ReleaseText,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<ReleaseResult> {
  checkRevision(text.tag);
  for (const { name } of text.assets) checkName(name);
  const verb = { what: `publish the release ${text.tag}`, permission } as const;
  /** A draft that this call made. Another run may publish its own before it. */
  let made: number | null = null;
  return github.settle(verb, async () => {
    const commit = await taggedCommit(github, text.tag);
    const found = await findRelease(github, text.tag);
    if (found !== null && !found.draft && made !== null && made !== found.id) {
      await github.rest.repos.deleteRelease({ ...github.at, release_id: made });
      made = null;
    }
    if (found !== null && !(await isOwnRelease(github, found, text.tag)))
      return attach(github, found, { ...text, dryRun });
    if (found !== null) checkCommit(sealsOf(found.body).commit, commit, text.tag);
    if (found !== null && !found.draft) {
      checkAssets(found, text);
      return { outcome: "unchanged", url: found.html_url };
    }
    if (dryRun) return { outcome: "published", url: found?.html_url ?? null };
    const draft = await openDraft(github, found, { text, commit });
    if (found === null) made = draft.id;
    await upload(github, draft, text);
    const { data } = await github.rest.repos.updateRelease({
      ...{ ...github.at, release_id: draft.id },
      ...{ ...releaseWords(text, commit), draft: false },
    });
    return { outcome: "published", url: data.html_url };
  });
}

/** GitHub renames assets with other characters. */
function checkName(name: string): void {
  if (/^\w[\w.+-]{0,200}$/.test(name)) return;
  throw new OqeError(
    "BAD_INPUT",
    `"${printable(name)}" cannot be the name of a release's asset`,
    "Letters, digits, `.`, `_`, `+` and `-` are allowed.",
  );
}

type Release = Awaited<ReturnType<GitHub["rest"]["repos"]["listReleases"]>>["data"][number];

function releaseWords({ tag, title, body, assets }: ReleaseText, commit: string) {
  const seals = { commit, assets: assetsDigest(assets) };
  return { name: plainTitle(title), body: sealedText(marker("release", tag), body, seals) };
}

/** The commit of a tag, through an annotated tag. Throws NOT_FOUND for a tag that is gone. */
async function taggedCommit({ rest, at, repository }: GitHub, tag: string): Promise<string> {
  const found = await rest.git.getRef({ ...at, ref: `tags/${tag}` }).catch((error) => {
    if (error?.status !== 404) throw error;
    throw new OqeError(
      "NOT_FOUND",
      `${repository} has no tag ${printable(tag)} any more`,
      "It was deleted after the run began. Push the tag again to release.",
    );
  });
  const { type, sha } = found.data.object;
  if (type !== "tag") return sha;
  return (await rest.git.getTag({ ...at, tag_sha: sha })).data.object.sha;
}

/** The published release of a tag, else its newest draft. */
async function findRelease({ rest, at, paginate }: GitHub, tag: string): Promise<Release | null> {
  let draft: Release | null = null;
  const pages = paginate.iterator(rest.repos.listReleases, { ...at, per_page: 100 });
  for await (const { data } of pages) {
    for (const release of data) {
      if (release.tag_name !== tag) continue;
      if (!release.draft) return release;
      draft ??= release;
    }
  }
  return draft;
}

async function isOwnRelease(github: GitHub, release: Release, tag: string): Promise<boolean> {
  return isMarked(release.body, marker("release", tag)) && github.isOwn(release.author);
}

function checkCommit(released: string | undefined, commit: string, tag: string): void {
  if (released === undefined || released === commit) return;
  throw new OqeError(
    "CONFLICT",
    `the tag ${tag} was moved: its release was made of commit ${released.slice(0, 12)}, and the ` +
      `tag is at ${commit.slice(0, 12)} now`,
    "A release is not changed afterwards. Move the tag back, or push a new tag.",
  );
}

function checkAssets(release: Release, { tag, assets }: ReleaseText): void {
  if (sealsOf(release.body).assets === assetsDigest(assets)) return;
  const differing = lacking(release, assets).map(({ name }) => name);
  if (differing.length === 0) return;
  throw new OqeError(
    "CONFLICT",
    `the release ${tag} is published with other assets: ${differing.slice(0, 5).join(", ")}`,
    "A release is not changed afterwards. Push a new tag for what is new.",
  );
}

function lacking(release: Release, assets: readonly ReleaseAsset[]): readonly ReleaseAsset[] {
  return assets.filter((asset) => !release.assets.some((there) => holds(there, asset)));
}

type Stored = Release["assets"][number];

/** Whether a stored asset is this one. Older servers of GitHub give no hash to prove it. */
function holds(there: Stored, asset: ReleaseAsset): boolean {
  const isWhole = there.state === "uploaded" && there.size === asset.bytes.length;
  return there.name === asset.name && isWhole && (there.digest == null || isProven(there, asset));
}

function isProven({ name, digest }: Stored, asset: ReleaseAsset): boolean {
  return name === asset.name && digest === `sha256:${sha256(asset.bytes)}`;
}

interface Draft {
  readonly text: ReleaseText;
  readonly commit: string;
}

/** A draft whose seal names the assets to come. One of an earlier try with others is emptied. */
async function openDraft(
  { rest, at }: GitHub,
  found: Release | null,
  { text, commit }: Draft,
): Promise<Release> {
  const words = releaseWords(text, commit);
  if (found === null) {
    const draft = { ...at, tag_name: text.tag, draft: true };
    return (await rest.repos.createRelease({ ...draft, ...words })).data;
  }
  if (sealsOf(found.body).assets === assetsDigest(text.assets)) return found;
  for (const asset of found.assets) {
    if (!text.assets.some((own) => isProven(asset, own)))
      await rest.repos.deleteReleaseAsset({ ...at, asset_id: asset.id });
  }
  return (await rest.repos.updateRelease({ ...at, release_id: found.id, ...words })).data;
}

/** Uploads what a release lacks. An upload that broke off left an asset of the same name. */
async function upload(github: GitHub, release: Release, { assets }: ReleaseText): Promise<void> {
  const { rest, at, request } = github;
  const address = release.upload_url.replace(/\{.*$/, ""); // it ends with {?name,label}
  for (const asset of assets) {
    if (release.assets.some((there) => holds(there, asset))) continue;
    const broken = release.assets.find(({ name }) => name === asset.name);
    if (broken !== undefined) await rest.repos.deleteReleaseAsset({ ...at, asset_id: broken.id });
    await request({
      ...{ method: "POST", url: `${address}?name=${encodeURIComponent(asset.name)}` },
      ...{ data: asset.bytes, headers: { "content-type": asset.type } },
    });
  }
}

/** Adds assets to a release that a person made. */
async function attach(
  github: GitHub,
  release: Release,
  { dryRun, ...text }: ReleaseText & { readonly dryRun: boolean },
): Promise<ReleaseResult> {
  const url = release.html_url;
  const missing = lacking(release, text.assets);
  const taken = missing.filter(({ name }) => release.assets.some((other) => other.name === name));
  const isLocked = (release as { immutable?: boolean }).immutable === true;
  if (taken.length > 0 || (isLocked && missing.length > 0))
    throw new OqeError(
      "CONFLICT",
      `a person published the release ${text.tag}` +
        (isLocked
          ? ", and it is immutable, so nothing can be attached to it"
          : ` with other files of the same name: ${taken[0]!.name}`),
      "Push the tag with git and leave its release to this workflow; use a new tag for that.",
    );
  if (!dryRun) await upload(github, release, { ...text, assets: missing });
  return { outcome: missing.length > 0 ? "attached" : "unchanged", url };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function assetsDigest(assets: readonly ReleaseAsset[]): string {
  const lines = assets.map(({ name, bytes }) => `${sha256(bytes)} ${JSON.stringify(name)}`).sort();
  return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 32);
}
