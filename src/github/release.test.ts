import { expect, test } from "vitest";
import { brokenServer } from "../../test/support/github-refusals.ts";
import { failureOf, githubScene } from "../../test/support/github-scene.ts";
import { publishRelease, type ReleaseText } from "./release.ts";

const scene = githubScene();
const asset = (name: string, text: string) => ({
  ...{ name, type: "text/plain", bytes: new TextEncoder().encode(text) },
});
const release = (tag: string, more: Partial<ReleaseText> = {}) =>
  publishRelease(scene.github, {
    ...{ tag, title: `Series ${tag}`, body: "| tier | bytes |" },
    assets: [asset("SHA256SUMS", "abc"), asset("receipt.json", "{}")],
    ...more,
  });

async function pushTag(tag: string): Promise<string> {
  const sha = await scene.server.personCommits("main", `${tag}.md`, tag);
  await scene.server.person("POST", "/git/refs", { ref: `refs/tags/${tag}`, sha });
  return sha;
}

interface Release {
  readonly id: number;
  readonly tag_name: string;
  readonly draft: boolean;
  readonly body: string;
  readonly assets: readonly { readonly name: string; readonly size: number }[];
}

const releases = async (tag: string) =>
  (await scene.server.person<Release[]>("GET", "/releases")).filter((one) => one.tag_name === tag);
const namesOf = ({ assets }: Release) => assets.map(({ name }) => name).sort();

test("a release is a draft until its assets are there; the second time it writes nothing", async () => {
  await pushTag("v1.0.0");
  expect(await release("v1.0.0")).toMatchObject({ outcome: "published" });
  expect(scene.server.writes.map((line) => line.replace(/\d+/g, "N"))).toEqual([
    "POST /repos/acme/series/releases",
    "POST /repos/acme/series/releases/N/assets?name=SHANSUMS",
    "POST /repos/acme/series/releases/N/assets?name=receipt.json",
    "PATCH /repos/acme/series/releases/N",
  ]);
  expect(scene.server.bodies[0]).toMatchObject({ draft: true });
  expect(scene.server.bodies.at(-1)).toMatchObject({ draft: false });
  scene.forget();
  expect(await release("v1.0.0", { body: "Everything was published already." })).toMatchObject({
    outcome: "unchanged",
  });
  expect(scene.server.writes).toEqual([]);
});

test("a dry run tells what would come of it, and writes nothing", async () => {
  await pushTag("v1.0.9");
  const assets = [asset("receipt.json", "{}")];
  const dry = () =>
    publishRelease(
      scene.github,
      { tag: "v1.0.9", title: "T", body: "b", assets },
      { dryRun: true },
    );
  expect(await dry()).toEqual({ outcome: "published", url: null });
  const own = { tag_name: "v1.0.9", name: "Mine", body: "By hand.", draft: false };
  await scene.server.person("POST", "/releases", own);
  expect(await dry()).toMatchObject({ outcome: "attached" });
  expect(scene.server.writes).toEqual([]);
});

test("a draft that a killed run left is continued; what is uploaded is not sent again", async () => {
  await pushTag("v1.1.0");
  scene.server.refuse(/name=receipt.json/, brokenServer(500), 3);
  await failureOf(release("v1.1.0"));
  expect(await releases("v1.1.0")).toMatchObject([{ draft: true }]);
  scene.forget();
  expect(await release("v1.1.0")).toMatchObject({ outcome: "published" });
  expect(scene.server.writes.filter((line) => line.includes("assets"))).toEqual([
    expect.stringContaining("name=receipt.json"),
  ]);
  const [published, ...more] = await releases("v1.1.0");
  expect(more).toEqual([]);
  expect(namesOf(published!)).toEqual(["SHA256SUMS", "receipt.json"]);
});

test("a draft with other assets is emptied first", async () => {
  await pushTag("v1.2.0");
  scene.server.refuse(/^PATCH/, brokenServer(500), 3);
  await failureOf(release("v1.2.0"));
  await release("v1.2.0", { assets: [asset("SHA256SUMS", "xyz")] });
  const [published] = await releases("v1.2.0");
  expect(namesOf(published!)).toEqual(["SHA256SUMS"]);
});

test("a lost answer does not make a second release or a second asset", async () => {
  await pushTag("v1.3.0");
  scene.server.loseAnswer(/^POST .*\/releases$/);
  expect(await release("v1.3.0")).toMatchObject({ outcome: "published" });
  expect(await releases("v1.3.0")).toHaveLength(1);
});

test("a published release is not changed: a moved tag and other assets are refused", async () => {
  const first = await pushTag("v2.0.0");
  await release("v2.0.0");
  scene.forget();
  const other = await failureOf(release("v2.0.0", { assets: [asset("SHA256SUMS", "other")] }));
  expect(other).toMatchObject({ code: "CONFLICT", message: expect.stringContaining("SHA256SUMS") });
  const sha = await scene.server.personCommits("main", "more.md", "more");
  await scene.server.person("PATCH", "/git/refs/tags/v2.0.0", { sha, force: true });
  const moved = await failureOf(release("v2.0.0"));
  expect(moved).toMatchObject({ code: "CONFLICT" });
  expect(moved.message).toContain(`made of commit ${first.slice(0, 12)}`);
  expect(moved.hint).toContain("push a new tag");
  expect(scene.server.writes).toEqual([]);
});

test("an annotated tag counts by its commit", async () => {
  const commit = await scene.server.personCommits("main", "annotated.md", "a");
  const { sha } = await scene.server.person<{ sha: string }>("POST", "/git/tags", {
    ...{ tag: "v2.1.0", message: "m", object: commit, type: "commit" },
  });
  await scene.server.person("POST", "/git/refs", { ref: "refs/tags/v2.1.0", sha });
  await release("v2.1.0");
  expect((await releases("v2.1.0"))[0]!.body).toContain(`commit=${commit}`);
});

test("a person's release keeps its text and gets the assets; a person's draft stays one", async () => {
  for (const draft of [false, true]) {
    const tag = draft ? "v3.1.0" : "v3.0.0";
    await pushTag(tag);
    await scene.server.person("POST", "/releases", { tag_name: tag, body: "my words", draft });
    expect(await release(tag)).toMatchObject({ outcome: "attached" });
    const [found, ...more] = await releases(tag);
    expect(found).toMatchObject({ body: "my words", draft });
    expect(namesOf(found!)).toEqual(["SHA256SUMS", "receipt.json"]);
    expect(more).toEqual([]);
    scene.forget();
    expect(await release(tag)).toMatchObject({ outcome: "unchanged" });
    expect(scene.server.writes).toEqual([]);
  }
});

test("a person's file of the same name is not replaced", async () => {
  await pushTag("v3.2.0");
  const { id } = await scene.server.person<Release>("POST", "/releases", { tag_name: "v3.2.0" });
  await scene.server.person("POST", `/releases/${id}/assets?name=SHA256SUMS`, { theirs: true });
  expect(await failureOf(release("v3.2.0"))).toMatchObject({
    ...{ code: "CONFLICT", message: expect.stringContaining("same name: SHA256SUMS") },
  });
});

test("a tag that is gone, and names that GitHub would change, are refused", async () => {
  expect(await failureOf(release("v9.9.9"))).toMatchObject({ code: "NOT_FOUND" });
  expect(scene.server.writes).toEqual([]);
  for (const name of ["a b", "../x", "", ".hidden", "a\n", "ä"])
    expect(await failureOf(release("v1.0.0", { assets: [asset(name, "")] }))).toMatchObject({
      code: "BAD_INPUT",
    });
  for (const tag of ["a b", "a\n::error::", "..", ""])
    expect(await failureOf(release(tag))).toMatchObject({ code: "BAD_INPUT" });
});
