import * as hf from "@huggingface/hub";
import { expect, test } from "vitest";
import { startHub } from "../../test/support/local-hub.ts";

const repo = "acme/Tiny-oQ4e";

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const small = (path: string, text: string) => ({
  operation: "addOrUpdate" as const,
  path,
  content: new Blob([text]),
});

/** A Hub with a repository of one commit, and what a client needs to reach it. */
async function start() {
  const hub = await startHub({ pageSize: 3 });
  const to = { hubUrl: hub.url, accessToken: "hf_test" };
  await hf.createRepo({ repo, ...to });
  const operations = [small("README.md", "---\nlicense: mit\n---\n# Tiny\n")];
  await hf.commit({ repo, operations, title: "Publish", ...to });
  return { hub, to };
}

test("a branch exists beside main until it is deleted", async () => {
  const { hub, to } = await start();
  const main = hub.head(repo);
  await hf.createBranch({ repo, branch: "try/one", ...to });
  await expect(hf.createBranch({ repo, branch: "try/one", ...to })).rejects.toMatchObject({
    statusCode: 409,
  });
  const made = await hf.commit({
    repo,
    branch: "try/one",
    operations: [small("note.txt", "1")],
    title: "Note",
    ...to,
  });
  expect(hub.head(repo)).toBe(main);
  const there = await collect(hf.listFiles({ repo, revision: "try/one", ...to }));
  expect(there.map((file) => file.path)).toContain("note.txt");
  const commits = await collect(hf.listCommits({ repo, revision: "try/one", ...to }));
  expect(commits[0]!.oid).toBe(made!.commit.oid);
  expect(commits.map((commit) => commit.title)).toEqual(["Note", "Publish", "initial commit"]);
  await hf.deleteBranch({ repo, branch: "try/one", ...to });
  await expect(collect(hf.listFiles({ repo, revision: "try/one", ...to }))).rejects.toMatchObject({
    statusCode: 404,
  });
});

test("a pull request does not change main, and accepts further commits", async () => {
  const { hub, to } = await start();
  const main = hub.head(repo);
  const operations = [small("README.md", "---\nlicense: mit\n---\n# Better\n")];
  const opened = await hf.commit({
    repo,
    operations,
    title: "Better card",
    isPullRequest: true,
    ...to,
  });
  expect(opened?.pullRequestUrl).toBe(`${hub.url}/${repo}/discussions/1`);
  const next = {
    repo,
    branch: "refs/pr/1",
    operations: [small("more.txt", "x")],
    title: "More",
    ...to,
  };
  await hf.commit(next);
  expect(hub.head(repo)).toBe(main);
  const proposed = await collect(hf.listFiles({ repo, revision: "refs/pr/1", ...to }));
  expect(proposed.map((file) => file.path)).toContain("more.txt");
});
