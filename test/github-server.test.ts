import { getOctokit } from "@actions/github";
import { afterAll, beforeAll, expect, test } from "vitest";
import { secondaryLimit } from "./support/github-refusals.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";

let server: GitHubServer;
beforeAll(async () => {
  server = await GitHubServer.start();
});
afterAll(() => server.close());

const client = (token: string = tokens.job) => getOctokit(token, { baseUrl: server.url }).rest;
const at = { owner: "acme", repo: "series" };
const refusal = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error) => ({ status: error.status, message: error.message as string }),
  );

test("what GitHub refuses is refused", async () => {
  expect(await refusal(client("ghs_unknown").issues.create({ ...at, title: "a" }))).toMatchObject({
    status: 401,
  });
  server.permissions.issues = "read";
  expect(await refusal(client().issues.create({ ...at, title: "a" }))).toMatchObject({
    status: 403,
    message: expect.stringContaining("Resource not accessible by integration"),
  });
  server.permissions.issues = "write";
  const { data: issue } = await client().issues.create({ ...at, title: "a", labels: ["oqe"] });
  expect(issue.user).toMatchObject({ login: "github-actions[bot]", type: "Bot" });
  expect(
    await refusal(
      client().issues.update({ ...at, issue_number: issue.number, body: "a".repeat(65_537) }),
    ),
  ).toMatchObject({ status: 422 });
  server.refuse(/POST .*issues/, secondaryLimit(3));
  expect(await refusal(client().issues.create({ ...at, title: "b" }))).toMatchObject({
    status: 403,
    message: expect.stringContaining("secondary rate"),
  });
  expect((await client().issues.listForRepo({ ...at, labels: "oqe" })).data).toHaveLength(1);
});

test("a branch has one open pull request, which has commits and lists its files", async () => {
  const { pulls, git } = client();
  const main = (await server.ref("heads/main"))!;
  await git.createRef({ ...at, ref: "refs/heads/cards", sha: main });
  const open = () => pulls.create({ ...at, head: "cards", base: "main", title: "Cards" });
  expect((await refusal(open()))!.message).toContain("No commits between");
  await server.personCommits("cards", "cards/a.md", "text");
  server.mayOpenPullRequests = false;
  expect((await refusal(open()))!.message).toContain("not permitted to create");
  server.mayOpenPullRequests = true;
  const { data: pull } = await open();
  expect((await refusal(open()))!.message).toContain("A pull request already exists");
  const { data: files } = await pulls.listFiles({ ...at, pull_number: pull.number });
  expect(files.map(({ filename }) => filename)).toEqual(["cards/a.md"]);
  expect(await server.file("cards", "cards/a.md")).toBe("text");
});

test("a draft is in the list of releases only, and an asset has one name", async () => {
  const { repos } = client();
  const { data } = await repos.createRelease({ ...at, tag_name: "v1", draft: true });
  expect(await refusal(repos.getReleaseByTag({ ...at, tag: "v1" }))).toMatchObject({ status: 404 });
  expect((await repos.listReleases(at)).data).toHaveLength(1);
  const upload = () =>
    getOctokit(tokens.job, { baseUrl: server.url }).request({
      method: "POST",
      url: data.upload_url,
      name: "a.txt",
      headers: { "content-type": "text/plain" },
      data: "text",
    });
  expect((await upload()).status).toBe(201);
  expect(await refusal(upload())).toMatchObject({ status: 422 });
});

test("writes of the job are counted, those of a person are not", () => {
  expect(server.writes).toContain("POST /repos/acme/series/pulls");
  expect(server.writes.every((line) => line.startsWith("POST") || line.startsWith("PATCH"))).toBe(
    true,
  );
  expect(server.writes.some((line) => line.includes("/contents/"))).toBe(false);
});
