import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkSeries } from "../src/upkeep/check.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";
import { upkeepScene } from "./support/upkeep-scene.ts";

const scene = upkeepScene();
let github: GitHubServer;
let number: number;
let head: string;
let cards: { readonly number: number; readonly head: string };

const series = (tiers: string) => `
models:
  - base-model: base/tiny
    namespace: acme
    method: rounded
    policy: oq
    verify: false
    tiers: ${tiers}
`;

beforeAll(async () => {
  github = await GitHubServer.start();
  const main = await github.ref("heads/main");
  await github.person("POST", "/git/refs", { ref: "refs/heads/more", sha: main });
  await github.personCommits("more", "series.yml", series("oQ8e"));
  const pull = await github.person<{ number: number; head: { sha: string } }>("POST", "/pulls", {
    ...{ title: "More models", head: "more", base: "main" },
  });
  number = pull.number;
  head = pull.head.sha;
  await github.person("POST", "/git/refs", { ref: "refs/heads/notes", sha: main });
  await github.personCommits("notes", "cards/tiny/oQ8e.md", "a card");
  const second = await github.person<typeof pull>("POST", "/pulls", {
    ...{ title: "Notes", head: "notes", base: "main" },
  });
  cards = { number: second.number, head: second.head.sha };
});
afterAll(() => github.close());

/** The command on the pull request. */
async function check(text: string, fork = false, pull = { number, head }) {
  const repo = { full_name: fork ? "someone/series" : github.repository };
  const event = {
    name: "pull_request",
    payload: {
      number: pull.number,
      pull_request: {
        head: { sha: pull.head, repo },
        base: { repo: { full_name: github.repository } },
      },
    },
  };
  const server = { GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository };
  const request = await scene.request(text, event, { "github-token": tokens.job }, server);
  github.writes = [];
  const { outputs, failure, summary } = await checkSeries(request);
  expect(outputs).toEqual({ mode: "comment", models: "[]", cards: "[]", "push-cards": "[]" });
  expect(scene.writes()).toEqual([]);
  const comments = await github.person<{ body: string }[]>(
    "GET",
    `/issues/${pull.number}/comments`,
  );
  return { failure, summary, writes: github.writes, bodies: comments.map(({ body }) => body) };
}

describe("a pull request that changes the series file", () => {
  test("gets one comment with the plan, and the second run writes nothing", async () => {
    const first = await check(series("oQ8e,oQ4e"));
    expect(first).toMatchObject({
      failure: null,
      writes: [expect.stringMatching(/^POST .*comments$/)],
    });
    expect(first.bodies).toHaveLength(1);
    const [body] = first.bodies;
    expect(body).toContain("### What `series.yml` would make\n\n| Model | Tier |");
    expect(body).toMatch(
      /\| tiny \| oQ4e \| [\d.]+&nbsp;kB \| 4\.\d\d \| to&nbsp;be&nbsp;made \| not published yet \|/,
    );
    expect(body).toMatch(
      /To make: 2 of 2\. Reads .*, writes .* on the disk at once, about \d+ s of arithmetic on 3 threads/,
    );
    const second = await check(series("oQ8e,oQ4e"));
    expect(second).toMatchObject({ failure: null, writes: [], bodies: first.bodies });
  });

  test("gets the same comment again when its plan changes", async () => {
    const { writes, bodies } = await check(series("oQ8e"));
    expect(writes).toEqual([expect.stringMatching(/^PATCH .*comments\/\d+$/)]);
    expect(bodies).toHaveLength(1);
    expect(bodies[0]).not.toContain("oQ4e");
  });

  test("says what stays as it is once it is published", async () => {
    await scene.publish(series("oQ8e"));
    const { bodies } = await check(series("oQ8e"));
    expect(bodies[0]).toContain("Every tier is current: merging this makes nothing.");
    const more = await check(series("oQ8e,oQ6e"));
    expect(more.bodies[0]).toMatch(/oQ6e[\s\S]*\n1 tier would stay as it is\./);
    const card = await scene.read("acme/tiny-oQ8e", "README.md");
    const old = card.replace(/^# tiny .*$/m, "# An old title");
    expect(old).not.toBe(card);
    await scene.put("acme/tiny-oQ8e", { "README.md": old });
    const template = await check(series("oQ8e"));
    expect(template.bodies[0]).toMatch(/ oQ8e \| .* \| card&nbsp;only \|/);
  });

  test("fails for a model that cannot be looked at, and the comment names it", async () => {
    const { failure, bodies } = await check(
      `${series("oQ8e")}  - base-model: base/gone\n    namespace: acme\n`,
    );
    expect(failure).toMatchObject({ message: expect.stringMatching(/^series\.yml:9 \(gone\): /) });
    expect(bodies[0]).toMatch(/\| gone \| {2}\| {2}\| {2}\| \*\*failed\*\* \|/);
  });
});

describe("a pull request that changes cards alone", () => {
  const path = () => join(scene.workspace, "cards/tiny/oQ8e.md");
  const edit = async (from: string, to: string) => {
    const text = await readFile(path(), "utf8");
    expect(text).toContain(from);
    await writeFile(path(), text.replace(from, to));
  };

  test("gets one comment that says what merging does, and the second run writes nothing", async () => {
    await scene.mergeCards("tiny", ["acme/tiny-oQ8e"]);
    await edit("<!-- oqe:notes -->\n", "<!-- oqe:notes -->\nOurs.\n");
    const first = await check(series("oQ8e"), false, cards);
    expect(first).toMatchObject({
      failure: null,
      writes: [expect.stringMatching(/^POST .*comments$/)],
    });
    const line = "- **tiny**: `cards/tiny/oQ8e.md`: the notes between the markers are sent";
    expect(first.bodies).toEqual([
      expect.stringMatching(/\n## What merging these cards does\n\n[^\n]+\n/),
    ]);
    expect(first.bodies[0]).toContain(`${line}\n`);
    expect(first.bodies[0]).not.toContain("would make"); // the models were not looked at
    expect(first.summary).toContain(line);
    expect(await check(series("oQ8e"), false, cards)).toMatchObject({ failure: null, writes: [] });
  });

  test("says that edits outside the markers are undone", async () => {
    await edit("\n# tiny ", "\n# Another ");
    const { failure, bodies } = await check(series("oQ8e"), false, cards);
    expect(failure).toBeNull();
    expect(bodies[0]).toMatch(/the rest differs from the card that the receipt gives, and is re/);
  });

  test("fails with the difference if the markers are broken", async () => {
    await edit("<!-- /oqe:notes -->", "");
    const { failure, bodies, summary } = await check(series("oQ8e"), false, cards);
    expect(failure).toMatchObject({
      code: "BAD_INPUT",
      message: expect.stringMatching(
        /cards\/tiny\/oQ8e\.md is not overwritten, because its markers .* are broken.*\n[\s\S]*^\+# tiny .*oQ8e$/m,
      ),
    });
    for (const text of [bodies[0], summary]) expect(text).toMatch(/\*\*tiny\*\*: failed: cards\//);
  });
});

describe("a pull request of a fork", () => {
  test("has the plan in the summary only", async () => {
    github.permissions["pull-requests"] = "read";
    const { writes, summary } = await check(series("oQ8e,oQ5e"), true);
    expect({ writes, summary }).toEqual({ writes: [], summary: expect.stringContaining("oQ5e") });
    expect(scene.lines).toContainEqual(expect.stringMatching(/a fork's token cannot comment/));
  });
});
