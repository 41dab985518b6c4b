import { expect, test } from "vitest";
import { failureOf, githubScene } from "../../test/support/github-scene.ts";
import { type BranchFiles, commitFiles } from "./commit.ts";

const scene = githubScene();
const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 255, 254]);

const wanted = (name: string, files: Record<string, string | Uint8Array | null>): BranchFiles => ({
  branch: `oqe/cards/${name}`,
  base: "main",
  files: new Map(Object.entries(files)),
  message: `Cards of ${name}`,
});
const commit = (name: string, files: Record<string, string | Uint8Array | null>) =>
  commitFiles(scene.github, wanted(name, files));
const head = (name: string) => scene.server.ref(`heads/oqe/cards/${name}`);
const parentsOf = async (sha: string | null) =>
  (
    await scene.server.person<{ parents: { sha: string }[] }>("GET", `/git/commits/${sha}`)
  ).parents.map(({ sha }) => sha);

test("text and bytes become one commit on a new branch, and the same again writes nothing", async () => {
  const files = { "cards/a/oQ4e.md": "# Karte ü\n", "cards/a/bits.png": png };
  const made = await commit("a", files);
  expect(made).toEqual({ outcome: "committed", commit: await head("a"), kept: 0 });
  expect(await parentsOf(made.commit)).toEqual([await scene.server.ref("heads/main")]);
  expect(await scene.server.file("oqe/cards/a", "cards/a/oQ4e.md")).toBe("# Karte ü\n");
  expect(await scene.server.file("oqe/cards/a", "README.md")).toContain("series");
  const { content } = await scene.server.person<{ content: string }>(
    "GET",
    "/contents/cards/a/bits.png?ref=oqe/cards/a",
  );
  expect(Uint8Array.from(Buffer.from(content, "base64"))).toEqual(png);
  scene.forget();
  expect(await commit("a", files)).toEqual({ ...made, outcome: "unchanged" });
  expect(scene.server.writes).toEqual([]);
});

test("neither author nor committer is given, so that GitHub signs", async () => {
  await commit("signed", { "cards/signed/x.md": "x" });
  const at = scene.server.writes.findIndex((line) => line.endsWith("/git/commits"));
  expect(Object.keys(scene.server.bodies[at]!).sort()).toEqual(["message", "parents", "tree"]);
});

test("files that the base has already make no branch", async () => {
  const readme = await scene.server.file("main", "README.md");
  expect(await commit("same", { "README.md": readme, "cards/none.md": null })).toEqual({
    ...{ outcome: "nothing", commit: null, kept: 0 },
  });
  expect(scene.server.writes).toEqual([]);
});

test("a new proposal replaces the earlier one: left-over files go, the base's news come in", async () => {
  await commit("b", { "cards/b/one.md": "1", "cards/b/two.md": "2" });
  await scene.server.personCommits("main", "cards/b/one.md", "edited on main");
  const before = await head("b");
  await commit("b", { "cards/b/one.md": "1, newer" });
  expect(await scene.server.file("oqe/cards/b", "cards/b/one.md")).toBe("1, newer");
  expect(await scene.server.file("oqe/cards/b", "cards/b/two.md")).toBe(null);
  expect(await parentsOf(await head("b"))).toEqual([before, await scene.server.ref("heads/main")]);
});

test("a file that is proposed no longer goes, even if the others stay as they are", async () => {
  await commit("left", { "cards/left/one.md": "1", "cards/left/two.md": "2" });
  expect(await commit("left", { "cards/left/one.md": "1" })).toMatchObject({
    outcome: "committed",
  });
  expect(await scene.server.file("oqe/cards/left", "cards/left/two.md")).toBe(null);
  scene.forget();
  expect(await commit("left", { "cards/left/one.md": "1" })).toMatchObject({
    outcome: "unchanged",
  });
  expect(scene.server.writes).toEqual([]);
});

test("commits of people on the branch are kept, and are built upon", async () => {
  await commit("c", { "cards/c/one.md": "1" });
  const theirs = await scene.server.personCommits("oqe/cards/c", "cards/c/notes.md", "a note");
  scene.forget();
  expect(await commit("c", { "cards/c/one.md": "1" })).toEqual({
    ...{ outcome: "unchanged", commit: theirs, kept: 1 },
  });
  expect(scene.server.writes).toEqual([]);
  const { commit: mine } = await commit("c", { "cards/c/one.md": "2" });
  expect(await parentsOf(mine)).toEqual([theirs]);
  expect(await scene.server.file("oqe/cards/c", "cards/c/notes.md")).toBe("a note");
});

test("a person who pushes at the same moment loses nothing", async () => {
  await commit("d", { "cards/d/one.md": "1" });
  scene.server.before(/^PATCH .*\/git\/refs/, () =>
    scene.server.personCommits("oqe/cards/d", "cards/d/notes.md", "a note"),
  );
  expect(await commit("d", { "cards/d/one.md": "2" })).toMatchObject({
    ...{ outcome: "committed", kept: 1 },
  });
  expect(await scene.server.file("oqe/cards/d", "cards/d/notes.md")).toBe("a note");
  expect(await scene.server.file("oqe/cards/d", "cards/d/one.md")).toBe("2");
});

test("a branch that appears at the same moment is built upon", async () => {
  const main = await scene.server.ref("heads/main");
  scene.server.before(/^POST .*\/git\/refs$/, () =>
    scene.server.person("POST", "/git/refs", { ref: "refs/heads/oqe/cards/e", sha: main! }),
  );
  expect(await commit("e", { "cards/e/one.md": "1" })).toMatchObject({ outcome: "committed" });
  expect(await scene.server.file("oqe/cards/e", "cards/e/one.md")).toBe("1");
});

test("a lost answer of the last step is found done", async () => {
  scene.server.loseAnswer(/^POST .*\/git\/refs$/);
  expect(await commit("f", { "cards/f/one.md": "1" })).toMatchObject({ outcome: "unchanged" });
});

test("a branch that was merged and left is taken up at the base", async () => {
  await commit("g", { "cards/g/one.md": "1" });
  const pull = await scene.server.person<{ number: number }>("POST", "/pulls", {
    ...{ head: "oqe/cards/g", base: "main", title: "cards" },
  });
  await scene.server.person("PUT", `/pulls/${pull.number}/merge`, { merge_method: "merge" });
  scene.forget();
  expect(await commit("g", { "cards/g/one.md": "1" })).toMatchObject({ outcome: "nothing" });
  expect(scene.server.writes).toEqual([]);
  await commit("g", { "cards/g/one.md": "2" });
  expect(await parentsOf(await head("g"))).toEqual([await scene.server.ref("heads/main")]);
});

test("a file is removed, and paths that could harm are refused before anything is sent", async () => {
  await scene.server.personCommits("main", "cards/h/old.md", "old");
  await commit("h", { "cards/h/old.md": null });
  expect(await scene.server.file("oqe/cards/h", "cards/h/old.md")).toBe(null);
  scene.forget();
  for (const path of ["../x", "/etc/x", "a/../b", ".git/config", ".github/workflows/a.yml", "a\nb"])
    expect(await failureOf(commit("h", { [path]: "x" }))).toMatchObject({ code: "BAD_INPUT" });
  for (const name of ["a..b", "a b", "a\n::error::", "x.lock", "a~1"])
    expect(await failureOf(commit(name, { a: "x" }))).toMatchObject({ code: "BAD_INPUT" });
  expect(scene.server.calls).toEqual([]);
});

test("a base branch that does not exist is named", async () => {
  const files = new Map([["a", "b"]]);
  const call = commitFiles(scene.github, { ...wanted("z", {}), files, base: "trunk" });
  expect((await failureOf(call)).message).toContain("no branch trunk");
});
