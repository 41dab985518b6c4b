import { expect, test } from "vitest";
import {
  addFile,
  call,
  commit,
  createRepo,
  refusal,
  startHub,
} from "../../test/support/local-hub.ts";

test("the error names what does not exist", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const commitId = hub.head("acme/m")!;
  const get = async (line: string) => refusal(await call(hub, line));
  expect(await get("GET /acme/m/resolve/main/no")).toMatchObject({
    status: 404,
    code: "EntryNotFound",
  });
  expect(await get("GET /acme/m/resolve/no/a")).toMatchObject({
    status: 404,
    code: "RevisionNotFound",
    error: "Invalid rev id: no",
  });
  expect(await get("GET /api/models/acme/m/revision/refs%2Fpr%2F9")).toMatchObject({
    status: 404,
    code: "RevisionNotFound",
  });
  expect(await get("GET /api/models/acme/m/tree/refs/pr/9")).toMatchObject({
    error: "Invalid rev id: refs/pr/9",
  });
  expect(await get("GET /api/models/acme/m/tree/main/folder")).toMatchObject({
    status: 404,
    code: "EntryNotFound",
  });
  expect(await get("GET /api/models/acme/m/revision/__proto__")).toMatchObject({
    status: 404,
    code: "RevisionNotFound",
  });
  const missing = await call(hub, "HEAD /acme/m/resolve/main/no");
  expect([missing.status, missing.headers.get("X-Repo-Commit"), await missing.text()]).toEqual([
    404,
    commitId,
    "",
  ]);
  expect((await call(hub, "GET /api/agent-harnesses")).status).toBe(404);
});

test("a revision may be HEAD, a branch, a tag, refs/… or a commit", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  await call(hub, "POST /api/models/acme/m/tag/main", { json: { tag: "v1" } });
  await call(hub, "POST /api/models/acme/m/branch/a%2Fb", { json: {} });
  const head = hub.head("acme/m")!;
  for (const revision of [
    "HEAD",
    "main",
    "v1",
    "a%2Fb",
    "refs%2Fheads%2Fmain",
    "refs/tags/v1",
    "a/b",
    head,
  ]) {
    const answer = await call(hub, `GET /acme/m/resolve/${revision}/.gitattributes`);
    expect([revision, answer.status, answer.headers.get("X-Repo-Commit")]).toEqual([
      revision,
      200,
      head,
    ]);
  }
});

test("a commit is checked as a whole before it has an effect", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const head = hub.head("acme/m")!;
  const good = addFile("good.txt", "good");
  const lfs = { path: "w", algo: "sha256", oid: "b".repeat(64), size: 3 };
  const bad: [RegExp, { key: string; value: unknown }][] = [
    [/not valid base64/, { key: "file", value: { path: "a", content: "%%%", encoding: "base64" } }],
    [/"value\.content" is missing/, { key: "file", value: { path: "a" } }],
    [/"value\.encoding"/, { key: "file", value: { path: "a", content: "", encoding: "latin1" } }],
    [/"key" is "chmod"/, { key: "chmod", value: { path: "a" } }],
    [/"value" is null; expected an object/, { key: "file", value: null }],
    [/both a file and a folder/, addFile("good.txt/below", "x")],
    [/does not exist: w/, { key: "lfsFile", value: lfs }],
    [/"value\.oid" is/, { key: "lfsFile", value: { ...lfs, oid: "../../etc/passwd" } }],
    [/"value\.algo" is "md5"/, { key: "lfsFile", value: { ...lfs, algo: "md5" } }],
    [/Invalid metadata/, addFile("README.md", "---\nlicense: mine\n---\n")],
    [/larger than 10 MiB/, addFile("big.txt", "x".repeat(10 * 1024 * 1024 + 1))],
  ];
  for (const [error, line] of bad) {
    expect(await refusal(await commit(hub, "acme/m", [good, line]))).toMatchObject({
      status: 400,
      error: expect.stringMatching(error),
    });
  }
  const deletion = { key: "deletedFile", value: { path: "absent" } };
  expect((await commit(hub, "acme/m", [good, deletion])).status).toBe(404);
  expect((await commit(hub, "acme/m", [good, { ...deletion, key: "deletedFolder" }])).status).toBe(
    404,
  );
  expect(hub.head("acme/m")).toBe(head);
});

test("a commit with an object that was never uploaded is refused by name", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  for (const size of [3, undefined]) {
    const line = {
      key: "lfsFile",
      value: { path: "w.bin", algo: "sha256", oid: "b".repeat(64), size },
    };
    const answer = await refusal(await commit(hub, "acme/m", [line]));
    expect(answer).toMatchObject({
      status: 400,
      error: expect.stringMatching(/a file that does not exist: w\.bin/),
    });
  }
});

test("the header of a commit comes first and has a summary", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const line = JSON.stringify(addFile("a", "a"));
  const header = (value: object) => JSON.stringify({ key: "header", value });
  const bodies = [
    "",
    line,
    `${line}\n${header({ summary: "S" })}`,
    header({}),
    header({ summary: " " }),
    header({ summary: "S", parentCommit: "main" }),
    "{",
    "[]",
    `${header({ summary: "S" })}\nnull`,
  ];
  for (const body of bodies) {
    expect([
      body,
      (await call(hub, "POST /api/models/acme/m/commit/main", { body })).status,
    ]).toEqual([body, 400]);
  }
  const invalidUtf8 = new Uint8Array([0x7b, 0xff, 0x7d]);
  expect(
    (await call(hub, "POST /api/models/acme/m/commit/main", { body: invalidUtf8 })).status,
  ).toBe(400);
});

test("commits go to branches and open pull requests only", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  await call(hub, "POST /api/models/acme/m/tag/main", { json: { tag: "v1" } });
  for (const branch of ["v1", hub.head("acme/m")!, "absent", "refs%2Fpr%2F1"]) {
    expect([branch, (await commit(hub, "acme/m", [addFile("a", "a")], { branch })).status]).toEqual(
      [branch, 404],
    );
  }
  await commit(hub, "acme/m", [addFile("a", "a")], { query: "?create_pr=1" });
  expect(
    (await commit(hub, "acme/m", [addFile("b", "b")], { branch: "refs%2Fpr%2F1" })).status,
  ).toBe(200);
  await call(hub, "POST /api/models/acme/m/discussions/1/status", { json: { status: "closed" } });
  expect(
    (await commit(hub, "acme/m", [addFile("c", "c")], { branch: "refs%2Fpr%2F1" })).status,
  ).toBe(404);
});

test("of many commits with the same parent one succeeds", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const parentCommit = hub.head("acme/m")!;
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      commit(hub, "acme/m", [addFile(`f${i}`, "x")], { parentCommit }),
    ),
  );
  expect(answers.map((answer) => answer.status).sort()).toEqual([200, ...Array(7).fill(412)]);
  expect(hub.files("acme/m").size).toBe(2);
});

test("a commit that changes nothing is a commit, as on the Hub", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const before = hub.head("acme/m");
  expect((await commit(hub, "acme/m", [])).status).toBe(200);
  expect(hub.head("acme/m")).not.toBe(before);
});

test("creating a repo twice is 409 with its URL, in any case of letters", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/Model");
  for (const id of ["acme/Model", "acme/model", "ACME/MODEL"]) {
    const again = await createRepo(hub, id);
    expect(again.status).toBe(409);
    expect(await again.json()).toMatchObject({ url: `${hub.url}/acme/Model` });
  }
  const racing = await Promise.all(Array.from({ length: 5 }, () => createRepo(hub, "acme/race")));
  expect(racing.map((answer) => answer.status).sort()).toEqual([200, 409, 409, 409, 409]);
});

test("a pull request with conflicts is not merged", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  await commit(hub, "acme/m", [addFile("a", "theirs")], { query: "?create_pr=1" });
  await commit(hub, "acme/m", [addFile("a", "ours")]);
  const details = await (await call(hub, "GET /api/models/acme/m/discussions/1")).json();
  expect(details).toMatchObject({ status: "open", filesWithConflicts: ["a"] });
  const head = hub.head("acme/m");
  expect((await call(hub, "POST /api/models/acme/m/discussions/1/merge")).status).toBe(409);
  expect(hub.head("acme/m")).toBe(head);
});

test("an empty branch has no files; overwriting a branch must be asked for", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const branch = (json: object) => call(hub, "POST /api/models/acme/m/branch/b", { json });
  const list = async () => (await call(hub, "GET /api/models/acme/m/tree/b")).json();
  expect((await branch({ emptyBranch: true })).status).toBe(200);
  expect(await list()).toEqual([]);
  expect((await branch({ startingPoint: "main" })).status).toBe(409);
  expect((await branch({ startingPoint: "main", overwrite: true })).status).toBe(200);
  expect(await list()).toHaveLength(1);
});

test("listings are paged by cursor, in order, each entry once", async () => {
  const hub = await startHub({ pageSize: 4 });
  await createRepo(hub, "acme/m");
  const paths = Array.from({ length: 10 }, (_, i) => `d${i % 3}/f${i}.txt`);
  await commit(
    hub,
    "acme/m",
    paths.map((path) => addFile(path, path)),
  );
  const found: string[] = [];
  let url: string | undefined = `${hub.url}/api/models/acme/m/tree/main?recursive=true&limit=3`;
  for (let pages = 0; url; pages++) {
    const answer = await call(hub, `GET ${url}`);
    const items = (await answer.json()) as { path: string }[];
    expect(items.length).toBeLessThanOrEqual(3);
    found.push(...items.map((item) => item.path));
    url = /<([^>]+)>; rel="next"/.exec(answer.headers.get("Link") ?? "")?.[1];
    expect(pages).toBeLessThan(10);
  }
  expect(found).toEqual([...paths, ".gitattributes", "d0", "d1", "d2"].sort());
  expect((await call(hub, "GET /api/models/acme/m/tree/main?cursor=bm8")).status).toBe(400);
});

test("validate-yaml answers with lists, and status 400 for errors, without a token", async () => {
  const hub = await startHub();
  const check = async (content: unknown) => {
    const answer = await call(hub, "POST /api/validate-yaml", {
      token: null,
      json: { content, repoType: "model" },
    });
    return { status: answer.status, ...((await answer.json()) as object) };
  };
  expect(await check("---\nlicense: mit\n---\n")).toEqual({
    status: 200,
    errors: [],
    warnings: [],
  });
  expect(await check("no metadata")).toMatchObject({
    status: 200,
    warnings: [{ message: expect.any(String) }],
  });
  const bad = await check("---\nlicense: mine\n---\n");
  expect(bad).toMatchObject({
    status: 400,
    errors: [{ message: expect.stringMatching(/"license" must be one of \[apache-2.0/) }],
  });
});
