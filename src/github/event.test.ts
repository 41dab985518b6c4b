import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf, githubScene } from "../../test/support/github-scene.ts";
import { changedPaths, readEvent } from "./event.ts";

const scene = githubScene();
const [before, after] = ["1".repeat(40), "a".repeat(40)];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "oqe-event-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(name: string, payload: unknown) {
  const path = join(folder, "event.json");
  await writeFile(path, typeof payload === "string" ? payload : JSON.stringify(payload));
  return readEvent({ GITHUB_EVENT_NAME: name, GITHUB_EVENT_PATH: path });
}

const push = (more: object) => ({
  ...{ before, after, repository: { default_branch: "trunk" }, ...more },
});
const pull = (head: object | null, number: unknown = 7) => ({
  number,
  pull_request: {
    title: "::set-output name=a::b\n$(id)",
    head: { sha: after, ref: "x`id`", repo: head },
    base: { repo: { full_name: "acme/series" } },
  },
});

test.each([
  ["push", push({ ref: "refs/tags/v1" }), { kind: "tag", tag: "v1", sha: after, forced: false }],
  [
    "push",
    push({ ref: "refs/tags/v1", forced: true }),
    { kind: "tag", tag: "v1", sha: after, forced: true },
  ],
  [
    "push",
    push({ ref: "refs/heads/trunk" }),
    { kind: "push", branch: "trunk", sha: after, before, isDefaultBranch: true },
  ],
  [
    "workflow_call",
    push({ ref: "refs/heads/oqe/cards/nano", before: "0".repeat(40) }),
    { kind: "push", branch: "oqe/cards/nano", sha: after, before: null, isDefaultBranch: false },
  ],
  [
    "push",
    push({ ref: "refs/tags/v1", deleted: true, after: "0".repeat(40) }),
    { kind: "other", name: "push" },
  ],
  ["schedule", { schedule: "17 3 * * 1" }, { kind: "schedule", cron: "17 3 * * 1" }],
  [
    "workflow_dispatch",
    { inputs: { "dry-run": "true", count: 3, odd: { a: 1 } } },
    { kind: "workflow_dispatch", inputs: { "dry-run": "true", count: "3" } },
  ],
  ["workflow_dispatch", { inputs: null }, { kind: "workflow_dispatch", inputs: {} }],
  [
    "repository_dispatch",
    { action: "oqe", client_payload: { repository: "Qwen/Qwen3-0.6B" } },
    { kind: "repository_dispatch", type: "oqe", repository: "Qwen/Qwen3-0.6B" },
  ],
  [
    "repository_dispatch",
    { action: "oqe", client_payload: {} },
    { kind: "repository_dispatch", type: "oqe", repository: null },
  ],
  [
    "pull_request",
    pull({ full_name: "Acme/series" }),
    { kind: "pull_request", number: 7, head: after, isFork: false },
  ],
  [
    "pull_request",
    pull({ full_name: "mallory/series" }),
    { kind: "pull_request", number: 7, head: after, isFork: true },
  ],
  ["pull_request", pull(null), { kind: "pull_request", number: 7, head: after, isFork: true }],
  ["issue_comment", {}, { kind: "other", name: "issue_comment" }],
])("%s %j", async (name, payload, expected) => {
  expect(await read(name, payload)).toEqual(expected);
});

/** What a name may not do: start a command of the runner, a shell, an expression, another line. */
const hostile = [
  ...["a\nb", "a\r::set-output name=x::y", "::add-mask::a b", "%0A::error::x y", "a\u2028b"],
  ...["$(touch /tmp/x) y", "`id` -x", "a;rm -rf ~", "../../etc/passwd", "a..b", "-rf", "a\\b"],
  ...[
    "$(id)",
    "`id`",
    "a;id",
    "a|sh",
    "a&b",
    "a'b",
    'a"b',
    "a<b>",
    "a(b)",
    "$IFS",
    "%0A::error::x",
  ],
  ...["a\u0000b", "\u001b[31mred", `$${"{{github.token}}"}`, "a".repeat(300)],
];

describe("a hostile name", () => {
  test.each(hostile)("%j of a branch or tag is refused in one line", async (name) => {
    for (const kind of ["tags", "heads"]) {
      const failure = await failureOf(read("push", push({ ref: `refs/${kind}/${name}` })));
      expect(failure).toMatchObject({ code: "BAD_INPUT" });
      expect(failure.message + failure.hint).not.toMatch(/[\p{Cc}\u2028]/u);
      expect(failure.message.length).toBeLessThan(400);
    }
  });

  test.each(hostile)("%j in a dispatch is no repository of the Hub", async (name) => {
    for (const repository of [name, `acme/${name}`, { name }, [name], 3]) {
      const payload = { action: "oqe", client_payload: { repository } };
      expect(await failureOf(read("repository_dispatch", payload))).toMatchObject({
        code: "BAD_INPUT",
      });
    }
  });

  test("of an event or a dispatch's type loses what is not a word", async () => {
    expect(await read("x\n::error::", {})).toEqual({ kind: "other", name: "xerror" });
    const dispatch = { action: "oqe\n::stop-commands::t" };
    expect(await read("repository_dispatch", dispatch)).toMatchObject({
      type: "oqestop-commandst",
    });
  });
});

test("an event that is damaged, absent or too large is refused in words", async () => {
  for (const payload of ["", "{", "[]", "3", '"push"', "null", "\u0000"])
    expect(await failureOf(read("push", payload))).toMatchObject({ code: "BAD_INPUT" });
  const absent = readEvent({ GITHUB_EVENT_NAME: "push", GITHUB_EVENT_PATH: `${folder}/none` });
  expect((await failureOf(absent)).message).toContain("does not exist");
  expect(await failureOf(readEvent({}))).toMatchObject({ code: "BAD_INPUT" });
  for (const payload of [{}, pull({}, "7"), pull({ full_name: 3 }), pull(null, 0), pull(null, 1.5)])
    expect(await failureOf(read("pull_request", payload))).toMatchObject({ code: "BAD_INPUT" });
  for (const sha of ["", "main", `${after}0`, "$(id)"])
    expect(await failureOf(read("push", push({ ref: "refs/tags/v1", after: sha })))).toMatchObject({
      code: "BAD_INPUT",
    });
  expect((await failureOf(read("push", " ".repeat(33 * 1024 * 1024)))).message).toContain("25 MB");
});

test("an event of ten megabytes is read", async () => {
  const commits = Array.from({ length: 10_000 }, (_, k) => ({ message: `${k} `.repeat(200) }));
  expect(await read("push", push({ ref: "refs/tags/v1", commits }))).toMatchObject({ tag: "v1" });
});

test("the changed paths of a push and of a pull request come from the API", async () => {
  const start = (await scene.server.ref("heads/main"))!;
  await scene.server.personCommits("main", "series.yml", "models: []");
  const end = await scene.server.personCommits("main", "cards/a/`id`.md", "x");
  const pushed = { kind: "push", branch: "main", sha: end, isDefaultBranch: true } as const;
  expect([...(await changedPaths(scene.github, { ...pushed, before: start }))!].sort()).toEqual([
    "cards/a/`id`.md",
    "series.yml",
  ]);
  expect(await changedPaths(scene.github, { ...pushed, before: null })).toBe(null);
  expect(await changedPaths(scene.github, { ...pushed, before })).toBe(null);
  expect(await changedPaths(scene.github, { kind: "schedule", cron: "" })).toBe(null);
  await scene.server.person("POST", "/git/refs", { ref: "refs/heads/topic", sha: start });
  await scene.server.personCommits("topic", "series.yml", "other");
  const { number } = await scene.server.person<{ number: number }>("POST", "/pulls", {
    ...{ head: "topic", base: "main", title: "t" },
  });
  const event = { kind: "pull_request", number, head: after, isFork: false } as const;
  expect(await changedPaths(scene.github, event)).toEqual(["series.yml"]);
});
