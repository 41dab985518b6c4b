import { expect, test } from "vitest";
import { failureOf, githubScene } from "../../test/support/github-scene.ts";
import { tokens } from "../../test/support/github-server.ts";
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

const proposal = (name: string, text: string, body = "What changed.") => ({
  branch: `oqe/cards/${name}`,
  base: "main",
  files: new Map([[`cards/${name}/oQ4e.md`, text]]),
  message: `Cards of ${name}`,
  marker: marker("cards", name),
  title: `Cards of ${name}`,
  body,
  labels: ["oqe"],
});
const propose = (name: string, text: string, body?: string) =>
  proposeFiles(scene.github, proposal(name, text, body));
const pulls = (name: string, state = "open") =>
  scene.server.person<Pull[]>("GET", `/pulls?head=acme:oqe/cards/${name}&state=${state}`);
const edit = (number: number | null, change: object) =>
  scene.server.person("PATCH", `/pulls/${number}`, change);

test("one pull request a series: made, updated in place, unchanged without a write", async () => {
  const made = await propose("a", "1");
  expect(made).toMatchObject({ outcome: "created", kept: 0 });
  expect(scene.lines).toEqual([
    expect.stringContaining("set github-token to a GitHub App's token"),
  ]);
  expect(await propose("a", "2", "What changed since.")).toMatchObject({
    ...{ outcome: "updated", number: made.number, url: made.url },
  });
  scene.forget();
  expect(await propose("a", "2", "What changed since.")).toMatchObject({ outcome: "unchanged" });
  expect(scene.server.writes).toEqual([]);
  const [pull, ...more] = await pulls("a");
  expect(more).toEqual([]);
  expect(pull!.body).toContain("What changed since.");
  expect(await scene.server.file("oqe/cards/a", "cards/a/oQ4e.md")).toBe("2");
});

test("commits of a person on its branch are kept and counted", async () => {
  const made = await propose("b", "1");
  await scene.server.personCommits("oqe/cards/b", "cards/b/oQ4e.md", "mended by hand");
  await scene.server.personCommits("oqe/cards/b", "cards/b/extra.md", "more");
  expect(await propose("b", "3")).toMatchObject({ number: made.number, kept: 2 });
  expect(await scene.server.file("oqe/cards/b", "cards/b/extra.md")).toBe("more");
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

test("the switch that forbids it is named, and the branch is there for a person", async () => {
  scene.server.mayOpenPullRequests = false;
  const failure = await failureOf(propose("h", "1"));
  scene.server.mayOpenPullRequests = true;
  expect(failure).toMatchObject({ code: "FORBIDDEN" });
  expect(failure.hint).toContain("Settings > Actions > General");
  expect(await scene.server.ref("heads/oqe/cards/h")).not.toBe(null);
});
