import { describe, expect, test } from "vitest";
import { failureOf, githubScene } from "../../test/support/github-scene.ts";
import { tokens } from "../../test/support/github-server.ts";
import { filesDigest } from "./commit.ts";
import { proposeFiles } from "./pull-request.ts";
import { marker } from "./sealed-text.ts";

const scene = githubScene();

interface Pull {
  readonly number: number;
  readonly state: string;
  readonly title: string;
  readonly body: string;
  readonly labels: readonly { readonly name: string }[];
}

const page = "https://github.com/acme/series/compare/main...oqe/cards";
const proposal = (name: string, text: string, words = "What changed.") => {
  const files = new Map([[`cards/${name}/oQ4e.md`, text]]);
  return {
    branch: `oqe/cards/${name}`,
    base: "main",
    files,
    content: filesDigest(files),
    message: `Cards of ${name}`,
    marker: marker("cards", name),
    title: `Cards of ${name}`,
    body: async (commit: string) => `${words} As of ${commit}.`,
    byHand: `${page}/${name}?expand=1`,
    labels: ["oqe"],
  };
};
const propose = (name: string, text: string, words?: string) =>
  proposeFiles(scene.github, proposal(name, text, words));
const pulls = (name: string, state = "open") =>
  scene.server.person<Pull[]>("GET", `/pulls?head=acme:oqe/cards/${name}&state=${state}`);
const edit = (number: number | null, change: object) =>
  scene.server.person("PATCH", `/pulls/${number}`, change);

test("one pull request a series: made, updated in place, unchanged without a write", async () => {
  const made = await propose("a", "1");
  expect(made).toMatchObject({ outcome: "created", kept: 0 });
  expect(scene.lines).toEqual([
    expect.stringContaining("app-client-id and app-private-key of a GitHub App"),
  ]);
  expect(await propose("a", "2", "What changed since.")).toMatchObject({
    ...{ outcome: "updated", number: made.number, url: made.url },
  });
  scene.forget();
  expect(await propose("a", "2", "What changed since.")).toMatchObject({ outcome: "unchanged" });
  expect(scene.server.writes).toEqual([]);
  const [pull, ...more] = await pulls("a");
  expect(more).toEqual([]);
  const head = await scene.server.ref("heads/oqe/cards/a");
  expect(pull!.body).toContain(`What changed since. As of ${head}.`);
  expect(await scene.server.file("oqe/cards/a", "cards/a/oQ4e.md")).toBe("2");
});

test("commits of a person on its branch are kept and counted", async () => {
  const made = await propose("b", "1");
  await scene.server.personCommits("oqe/cards/b", "cards/b/oQ4e.md", "mended by hand");
  await scene.server.personCommits("oqe/cards/b", "cards/b/extra.md", "more");
  expect(await propose("b", "3")).toMatchObject({ number: made.number, kept: 2 });
  expect(await scene.server.file("oqe/cards/b", "cards/b/extra.md")).toBe("more");
  // A further commit alone changes no word, so the text stays.
  await scene.server.personCommits("oqe/cards/b", "cards/b/extra.md", "even more");
  scene.forget();
  expect(await propose("b", "3")).toMatchObject({ outcome: "unchanged", kept: 3 });
  expect(scene.server.writes).toEqual([]);
});

test("one that a person closed is not opened again for the same cards, but for others", async () => {
  const made = await propose("c", "1");
  await edit(made.number, { state: "closed" });
  await scene.server.person("DELETE", "/git/refs/heads/oqe/cards/c");
  scene.forget();
  expect(await propose("c", "1", "Other words.")).toMatchObject({
    ...{ outcome: "declined", number: made.number, url: made.url },
  });
  expect(scene.server.writes).toEqual([]);
  const next = await propose("c", "2");
  expect(next.outcome).toBe("created");
  expect(next.number).not.toBe(made.number);
});

test("one that a person closed and opened again is updated like any other", async () => {
  const made = await propose("i", "1");
  await edit(made.number, { state: "closed" });
  await edit(made.number, { state: "open" });
  expect(await propose("i", "2")).toMatchObject({ outcome: "updated", number: made.number });
});

test("with a person's own token, what that person closed stays closed too", async () => {
  const github = await scene.connect({ token: tokens.person });
  const { number } = await proposeFiles(github, proposal("own", "1"));
  await edit(number, { state: "closed" });
  expect(await proposeFiles(github, proposal("own", "1"))).toMatchObject({
    ...{ outcome: "declined", number },
  });
});

test("one whose cards are in the base already is closed by us, and comes back when they differ", async () => {
  const made = await propose("d", "1");
  await scene.server.personCommits("main", "cards/d/oQ4e.md", "1");
  expect(await propose("d", "1")).toMatchObject({ outcome: "nothing", number: made.number });
  expect(await pulls("d")).toEqual([]);
  scene.forget();
  expect(await propose("d", "1")).toMatchObject({ outcome: "nothing", number: null });
  expect(scene.server.writes).toEqual([]);
  await scene.server.personCommits("main", "cards/d/oQ4e.md", "0");
  expect(await propose("d", "1")).toMatchObject({ outcome: "created" });
});

test("after a merge the next proposal is a new pull request", async () => {
  const made = await propose("e", "1");
  await scene.server.person("PUT", `/pulls/${made.number}/merge`, { merge_method: "squash" });
  expect(await propose("e", "1")).toMatchObject({ outcome: "nothing" });
  const next = await propose("e", "2");
  expect(next.outcome).toBe("created");
  const files = await scene.server.person<{ filename: string }[]>(
    "GET",
    `/pulls/${next.number}/files`,
  );
  expect(files.map(({ filename }) => filename)).toEqual(["cards/e/oQ4e.md"]);
});

test("a person's pull request from the branch keeps its text", async () => {
  await propose("f", "1");
  const [own] = await pulls("f");
  await edit(own!.number, { state: "closed" });
  await scene.server.personCommits("oqe/cards/f", "cards/f/mine.md", "mine");
  const theirs = await scene.server.person<Pull>("POST", "/pulls", {
    ...{ head: "oqe/cards/f", base: "main", title: "mine", body: "my words" },
  });
  expect(await propose("f", "2")).toMatchObject({ outcome: "theirs", number: theirs.number });
  const [pull] = await pulls("f");
  expect(pull).toMatchObject({ title: "mine", body: "my words" });
});

test("two at once make one pull request: the second finds the first", async () => {
  const first = scene.github;
  scene.server.before(/^POST .*\/pulls$/, () => proposeFiles(first, proposal("g", "1")));
  expect(await propose("g", "1")).toMatchObject({ outcome: "unchanged" });
  expect(await pulls("g", "all")).toHaveLength(1);
});

describe("where Actions may not open pull requests", () => {
  const refused = async () => {
    scene.forget();
    scene.server.mayOpenPullRequests = false;
    const failure = await failureOf(propose("h", "1"));
    scene.server.mayOpenPullRequests = true;
    return failure;
  };
  const branch = () => scene.server.ref("heads/oqe/cards/h");
  let head: string | null;

  test("the switch is named, the branch stays, and a link opens its pull request", async () => {
    const failure = await refused();
    expect(failure).toMatchObject({ code: "FORBIDDEN" });
    expect(failure.hint).toContain("Settings > Actions > General");
    expect(failure.message).toMatch(
      /branch is ready, so a person can open it: https:\/\/github\.com\/\S+\/h\?expand=1$/,
    );
    expect(failure.message).toContain(`${page}/h?expand=1`);
    head = await branch();
    expect(head).not.toBe(null);
  });

  test("the next run asks again, and writes nothing", async () => {
    await refused();
    expect(scene.server.writes).toEqual(["POST /repos/acme/series/pulls"]);
    expect(await branch()).toBe(head);
    expect(await pulls("h", "all")).toEqual([]);
  });

  test("one that a person opens from the branch is found, and kept up to date", async () => {
    const from = { head: "oqe/cards/h", base: "main", title: "mine", body: "" };
    const { number } = await scene.server.person<Pull>("POST", "/pulls", from);
    scene.forget();
    expect(await propose("h", "1")).toMatchObject({ outcome: "theirs", number });
    expect(scene.server.writes).toEqual([]);
    expect(await propose("h", "2")).toMatchObject({ outcome: "theirs", number });
    expect(await scene.server.file("oqe/cards/h", "cards/h/oQ4e.md")).toBe("2");
  });

  test("another refusal names no such page", async () => {
    scene.server.permissions["pull-requests"] = "read";
    const failure = await failureOf(propose("j", "1"));
    scene.server.permissions["pull-requests"] = "write";
    expect(failure.code).toBe("FORBIDDEN");
    expect(failure.message).not.toContain("https://");
  });
});
