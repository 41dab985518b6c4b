import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import {
  type Answer,
  brokenServer,
  primaryLimit,
  secondaryLimit,
} from "../../test/support/github-refusals.ts";
import { failureOf, githubScene } from "../../test/support/github-scene.ts";
import { tokens } from "../../test/support/github-server.ts";
import { json, playServer } from "../../test/support/scripted-server.ts";
import { patience } from "./client.ts";
import { upsertComment } from "./comment.ts";
import { commitFiles } from "./commit.ts";
import { upsertIssue } from "./issue.ts";
import { publishRelease } from "./release.ts";
import { longest, marker } from "./sealed-text.ts";

const scene = githubScene();
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

let count = 0;
/** An issue of its own, so that each call writes once. */
const writeIssue = (github = scene.github) =>
  upsertIssue(github, {
    ...{ marker: marker("failure", `model-${++count}`), title: "t", body: "b" },
    ...{ labels: ["oqe"], cause: "c" },
  });
const posts = /^POST .*\/issues$/;
const reads = /GET .*\/issues\?.*state=all/; // the first of the verb

describe("a limit of GitHub", () => {
  test("is waited for as long as GitHub asks, and the log says so", async () => {
    scene.server.refuse(posts, secondaryLimit(43));
    expect(await writeIssue()).toMatchObject({ outcome: "created" });
    expect(scene.lines).toEqual([
      "GitHub's secondary rate limit is reached (POST /repos/{owner}/{repo}/issues): waiting 43 s.",
    ]);
    scene.forget();
    scene.server.refuse(reads, primaryLimit(inSeconds(90), 429));
    await writeIssue();
    expect(scene.lines).toEqual([
      expect.stringMatching(/^GitHub's rate limit .* waiting 9[0-2] s\.$/),
    ]);
  });

  test("without a time is waited for a minute", async () => {
    const { headers: _, ...untold } = secondaryLimit(0);
    scene.server.refuse(posts, untold);
    await writeIssue();
    expect(scene.lines.at(-1)).toContain("waiting 60 s");
  });

  test("is not waited for beyond the time for all limits together", async () => {
    const github = await scene.connect();
    scene.server.refuse(posts, secondaryLimit(500), 2);
    const failure = await failureOf(writeIssue(github));
    expect(failure).toMatchObject({
      code: "NETWORK",
      hint: expect.stringContaining("Run again later"),
    });
    expect(failure.message).toContain("later than a run waits (15 minutes)");
    expect(scene.lines.join("\n")).toContain("of the 900 s that a run waits 400 s are left");
    expect(scene.server.writes).toHaveLength(2);
  });

  test("that ends in an hour is given up at once, with the time of its end", async () => {
    const end = inSeconds(3600);
    scene.server.refuse(reads, primaryLimit(end));
    const { hint } = await failureOf(writeIssue(await scene.connect()));
    expect(hint).toContain(new Date(end * 1000).toISOString().slice(0, 16).replace("T", " "));
    expect(scene.server.calls).toHaveLength(1);
  });
});

describe("failing servers", () => {
  test("are asked again for a read, as often as documented", async () => {
    scene.server.refuse(reads, brokenServer(502), patience.reads - 1);
    expect(await writeIssue()).toMatchObject({ outcome: "created" });
    expect(scene.server.calls.filter((line) => reads.test(line))).toHaveLength(patience.reads);
    scene.forget();
    scene.server.refuse(reads, brokenServer(502), patience.reads);
    expect(await failureOf(writeIssue())).toMatchObject({ code: "NETWORK" });
    expect(scene.server.calls).toHaveLength(patience.reads);
  });

  test("make a write begin anew with reading, and end it after three attempts", async () => {
    scene.server.refuse(posts, brokenServer(503), patience.attempts);
    expect(await failureOf(writeIssue())).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("GitHub's servers fail"),
    });
    expect(scene.server.calls.map((line) => line.split(" ")[0])).toEqual(
      Array.from({ length: patience.attempts }, () => ["GET", "POST"]).flat(),
    );
  });

  test("that do not answer at all are named", async () => {
    const server = await playServer(() => {});
    await server.close();
    const github = await scene.connect({ apiUrl: server.url });
    expect(await failureOf(writeIssue(github))).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("no answer from GitHub: connection refused"),
    });
  });
});

describe("a refusal says what to do", () => {
  const verbs = {
    issues: () => writeIssue(),
    contents: () =>
      commitFiles(scene.github, {
        ...{ branch: `b${++count}`, base: "main", message: "m" },
        files: new Map([["a.md", String(count)]]),
      }),
    "pull-requests": () => upsertComment(scene.github, 1, marker("plan", String(++count)), "b"),
  };

  test.each(Object.keys(verbs) as (keyof typeof verbs)[])(
    "a job without %s: write is told the line to add",
    async (permission) => {
      await scene.server.person("POST", "/issues", { title: "stands for a pull request" });
      const all = { ...scene.server.permissions };
      scene.server.permissions = { ...all, [permission]: "read" };
      if (permission === "pull-requests") scene.server.permissions.issues = "none";
      const failure = await failureOf(verbs[permission]());
      scene.server.permissions = all;
      expect(failure).toMatchObject({ code: "FORBIDDEN" });
      expect(failure.message).toContain("the token lacks the right");
      expect(failure.hint).toContain(`Add "${permission}: write" to \`permissions:\` of the job`);
    },
  );

  test("a release needs contents: write", async () => {
    const main = await scene.server.ref("heads/main");
    await scene.server.person("POST", "/git/refs", { ref: "refs/tags/v0", sha: main! });
    scene.server.permissions.contents = "read";
    const call = publishRelease(scene.github, { tag: "v0", title: "v0", body: "", assets: [] });
    expect((await failureOf(call)).hint).toContain('"contents: write"');
    scene.server.permissions.contents = "write";
  });

  test("a wrong token: the input, and never the token", async () => {
    const token = "ghs_secretThatNobodyMaySee";
    const failure = await failureOf(writeIssue(await scene.connect({ token })));
    expect(failure).toMatchObject({
      code: "UNAUTHORIZED",
      hint: expect.stringContaining("github-token"),
    });
    expect(JSON.stringify(failure) + scene.lines.join()).not.toContain("secretThat");
  });

  const said = (status: number, message: string): Answer => ({ status, body: { message } });
  test.each([
    [said(404, "Not Found"), "NOT_FOUND", "still exists"],
    [said(410, "Issues are disabled for this repo"), "FORBIDDEN", "Settings > General > Features"],
    [said(409, "Git Repository is empty."), "CONFLICT", "Nothing was overwritten"],
    [said(403, "Repository was archived so is read-only."), "FORBIDDEN", "permissions"],
    [said(422, "Validation Failed"), "BAD_INPUT", "names what it does not accept"],
  ])("%j", async (answer, code, hint) => {
    scene.server.refuse(posts, answer, answer.status === 409 ? patience.attempts : 1);
    const failure = await failureOf(writeIssue());
    expect(failure).toMatchObject({ code, hint: expect.stringContaining(hint) });
    expect(failure.message).toContain((answer.body as { message: string }).message.split(".")[0]);
  });

  test("what a server says cannot start a command of the runner or show the token", async () => {
    const message = `no\n::set-output name=a::b\r\n##[error]x ${tokens.job}`;
    scene.server.refuse(posts, said(422, message));
    const failure = await failureOf(writeIssue());
    expect(failure.message).not.toMatch(/[\r\n]/);
    expect(failure.message).not.toContain(tokens.job);
  });
});

test("an answer that is not JSON, or lacks everything, is a failure in words", async () => {
  const server = await playServer(({ path }, response) => {
    if (path.includes("issues")) json(response, { message: "x" }, 418);
    else response.writeHead(200, { "content-type": "text/html" }).end("<html>");
  });
  const github = await scene.connect({ apiUrl: server.url });
  expect(await failureOf(writeIssue(github))).toMatchObject({ code: "BAD_INPUT" });
  const call = commitFiles(github, { branch: "b", base: "main", files: new Map(), message: "m" });
  expect(await failureOf(call)).toMatchObject({ code: "INTERNAL" });
  await server.close();
});

test("options that cannot be used are refused before anything is sent", async () => {
  const good = { token: tokens.job as string, apiUrl: scene.server.url, repository: "acme/series" };
  const open = (more: Partial<typeof good>) => failureOf(scene.connect({ ...good, ...more }));
  for (const repository of ["", "acme", "a/b/c", "a/..", "a b/c", "a/b\n"])
    expect(await open({ repository })).toMatchObject({ code: "BAD_INPUT" });
  for (const apiUrl of ["", "api.github.com", "http://api.github.com", "file:///etc"])
    expect(await open({ apiUrl })).toMatchObject({ code: "BAD_INPUT" });
  for (const token of ["", " ", "a b", "a\nb"])
    expect(await open({ token })).toMatchObject({ code: "UNAUTHORIZED" });
  expect(scene.server.calls).toEqual([]);
});

test("docs/github-writes.md names the limits", async () => {
  const page = await readFile(new URL("../../docs/github-writes.md", import.meta.url), "utf8");
  const waits = Array.from({ length: patience.reads - 1 }, (_, k) => (k + 1) ** 2);
  for (const words of [
    `as long as GitHub asks, ${patience.longestWait / 60} minutes in a run`,
    `without a time: ${patience.untoldWait} s`,
    `${patience.reads} attempts, after ${waits.slice(0, -1).join(", ")} and ${waits.at(-1)} s`,
    `begins anew with reading, ${patience.attempts} attempts`,
    `ends after ${patience.silence} s`,
    `cut at ${longest.body.toLocaleString("en")} characters`,
  ])
    expect(page).toContain(words);
});

test("a personal access token owns what its account wrote, not what bots wrote", async () => {
  const person = await scene.connect({ token: tokens.person });
  expect(await person.isOwn({ login: "maintainer", type: "User" })).toBe(true);
  expect(await person.isOwn({ login: "github-actions[bot]", type: "Bot" })).toBe(false);
  expect(await scene.github.isOwn({ login: "maintainer", type: "User" })).toBe(false);
  expect(await scene.github.isOwn({ login: "github-actions[bot]", type: "Bot" })).toBe(true);
  expect(await scene.github.isOwn(null)).toBe(false);
});
