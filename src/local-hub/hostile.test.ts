import { readdir } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  addFile,
  call,
  commit,
  createRepo,
  scratchFolder,
  startHub,
} from "../../test/support/local-hub.ts";
import type { LocalHub } from "./local-hub.ts";

/** A request whose target and headers no client library would send. */
function raw(
  hub: LocalHub,
  target: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<number> {
  const { port } = new URL(hub.url);
  return new Promise((resolve, reject) => {
    const options = {
      host: "127.0.0.1",
      port,
      path: target,
      method,
      headers: { Authorization: "Bearer hf_test", ...headers },
    };
    const sent = request(options, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode!));
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("illegal repository names are 400, and nothing is stored", async () => {
  const folder = await scratchFolder();
  const hub = await startHub({ folder });
  const names = [
    "..",
    ".",
    "",
    "a/b",
    "a--b",
    "a..b",
    "-a",
    "a-",
    ".a",
    "a.",
    "a.git",
    "a b",
    "a\\b",
    "a\u0000",
    "ü",
    "x".repeat(97),
  ];
  for (const name of [...names, null, 7, {}]) {
    for (const body of [
      { organization: "acme", name },
      { organization: name, name: "fine" },
    ]) {
      if (typeof body.organization !== "string") continue; // no organization: the user's own
      const answer = await call(hub, "POST /api/repos/create", { json: body });
      expect([body, answer.status]).toEqual([body, 400]);
    }
  }
  expect(
    (
      await call(hub, "POST /api/repos/create", {
        json: { organization: "acme", name: "d", type: "dataset" },
      })
    ).status,
  ).toBe(400);
  expect(await readdir(folder)).toEqual([".hub"]);
  expect(await readdir(join(folder, ".hub"))).toEqual([]);
  expect((await createRepo(hub, `acme/${"x".repeat(96)}`)).status).toBe(200);
});

const hostilePaths = [
  "../up",
  "a/../../up",
  "/absolute",
  "a//b",
  "a/",
  "",
  ".",
  "..",
  "./a",
  ".git/config",
  "a/.git/hooks/x",
  "a/.GIT/x",
  "back\\slash",
  "nul\u0000",
  "line\nbreak",
  "lone\ud800",
  "x".repeat(256),
  "d/".repeat(600) + "x",
  null,
  7,
  ["a"],
];

test("illegal paths are 400 in every operation, and nothing is stored", async () => {
  const folder = await scratchFolder();
  const hub = await startHub({ folder });
  await createRepo(hub, "acme/m");
  const head = hub.head("acme/m");
  for (const path of hostilePaths) {
    const operations = [
      addFile(path, "x"),
      { key: "lfsFile", value: { path, algo: "sha256", oid: "a".repeat(64), size: 1 } },
      { key: "deletedFile", value: { path } },
      ...(path === "a/" ? [] : [{ key: "deletedFolder", value: { path } }]),
    ];
    for (const operation of operations) {
      const answer = await commit(hub, "acme/m", [addFile("fine.txt", "x"), operation]);
      expect([operation.key, path, answer.status]).toEqual([operation.key, path, 400]);
    }
    const json = { files: [{ path, size: 1, sample: "" }] };
    expect([
      path,
      (await call(hub, "POST /api/models/acme/m/preupload/main", { json })).status,
    ]).toEqual([path, 400]);
  }
  expect(hub.head("acme/m")).toBe(head);
  expect(await readdir(join(folder, "acme", "m"))).toEqual([".gitattributes"]);
  expect((await readdir(folder)).sort()).toEqual([".hub", "acme"]);
});

test("unusual legal paths work", async () => {
  const folder = await scratchFolder();
  const hub = await startHub({ folder });
  await createRepo(hub, "acme/m");
  const paths = [
    "__proto__",
    "constructor",
    "ünï/日本 語.txt",
    "a b%20c#d?e&f.txt",
    "...",
    "-rf",
    ".gitignore",
    "x".repeat(255),
  ];
  expect(
    (
      await commit(
        hub,
        "acme/m",
        paths.map((path) => addFile(path, path)),
      )
    ).status,
  ).toBe(200);
  for (const path of paths) {
    const url = `/acme/m/resolve/main/${path.split("/").map(encodeURIComponent).join("/")}`;
    expect([path, await (await call(hub, `GET ${url}`)).text()]).toEqual([path, path]);
  }
});

test("URLs with .., bad escapes or other tricks are refused", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const targets: [string, number][] = [
    ["/acme/m/resolve/main/../../../../etc/passwd", 404],
    ["/acme/m/resolve/main/..%2f..%2f..%2fetc%2fpasswd", 404],
    ["/acme/m/resolve/..%2f..%2fother/x", 404],
    ["/../.hub/acme/m/state.json", 404],
    ["/.hub/m/resolve/main/state.json", 404],
    ["/api/models/..%2f..%2fetc/m", 404],
    ["/api/models/acme/%00", 404],
    ["/api/models/acme/m/revision/%zz", 400],
    ["/acme/m/resolve/main/%ff", 400],
    ["//acme/m", 404],
    ["http://elsewhere.example/api/models/acme/m", 400],
    ["/api/models/acme/m/tree", 404],
    [`/api/models/acme/${"x".repeat(5000)}`, 404],
  ];
  for (const [target, status] of targets)
    expect([target, await raw(hub, target)]).toEqual([target, status]);
  expect(await raw(hub, "/api/models/acme/m", {}, "PATCH")).toBe(404);
  expect(await raw(hub, "/acme/m/resolve/main/.gitattributes", {}, "POST")).toBe(404);
});

test("only local host names are answered, on both origins", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  for (const host of [
    "huggingface.co",
    "127.0.0.1.evil.example",
    "evil.example:80",
    "[::1]",
    "localhost.evil.example",
  ]) {
    expect([host, await raw(hub, "/api/models/acme/m", { Host: host })]).toEqual([host, 421]);
  }
  const { host } = new URL(hub.storageUrl);
  const elsewhere = await fetch(`http://${host}/acme/m/${"a".repeat(64)}`);
  expect(elsewhere.status).toBe(403);
  expect(
    await raw({ ...hub, url: hub.storageUrl }, `/acme/m/${"a".repeat(64)}`, {
      Host: "evil.example",
    }),
  ).toBe(421);
  expect(await raw(hub, "/api/models/acme/m", { Host: `localhost:${new URL(hub.url).port}` })).toBe(
    200,
  );
  expect(new URL(hub.url).hostname).toBe("127.0.0.1");
  expect(new URL(hub.storageUrl).origin).not.toBe(new URL(hub.url).origin);
});

test("bodies that are too large, not JSON or of the wrong shape are refused", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const posts = [
    "/api/repos/create",
    "/api/validate-yaml",
    "/api/models/acme/m/preupload/main",
    "/api/models/acme/m/paths-info/main",
    "/api/models/acme/m/tag/main",
    "/acme/m.git/info/lfs/objects/batch",
    "/acme/m.git/info/lfs/verify",
  ];
  for (const path of posts) {
    for (const body of ["{", "[]", "null", '"text"', "{}"]) {
      expect([path, body, (await call(hub, `POST ${path}`, { body })).status]).toEqual([
        path,
        body,
        400,
      ]);
    }
    const large = "x".repeat(16 * 1024 * 1024 + 1);
    const status = await call(hub, `POST ${path}`, { body: large }).then(
      (answer) => answer.status,
      () => "closed",
    );
    expect([path, status]).toEqual([path, 413]);
  }
});

test("a body without a length is read up to the limit only", async () => {
  const hub = await startHub();
  const { port } = new URL(hub.url);
  const status = await new Promise((resolve, reject) => {
    const path = "/api/validate-yaml";
    const sent = request({ host: "127.0.0.1", port, path, method: "POST" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on("error", reject);
    for (let i = 0; i < 17; i++) sent.write("x".repeat(1024 * 1024));
    sent.end();
  });
  expect(status).toBe(413);
});

test("a request that ends before its announced length has no effect", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const head = hub.head("acme/m");
  const { port } = new URL(hub.url);
  const socket = connect(Number(port), "127.0.0.1");
  const header = `{"key":"header","value":{"summary":"Half"}}\n${JSON.stringify(addFile("half.txt", "x"))}`;
  socket.write(
    `POST /api/models/acme/m/commit/main HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer hf_test\r\n`,
  );
  socket.write(`Content-Length: 100000\r\n\r\n${header}`, () => socket.destroy());
  await new Promise((resolve) => socket.on("close", resolve));
  expect((await call(hub, "GET /api/models/acme/m")).status).toBe(200);
  expect(hub.head("acme/m")).toBe(head);
});

test("reference names that git would refuse are 400", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  for (const name of [
    "a..b",
    "-a",
    "a.lock",
    "a b",
    "a~1",
    "a:b",
    "refs/pr/1",
    "HEAD",
    "/a",
    "a/",
    "a//b",
    "a@{1}",
    "a".repeat(40),
  ]) {
    const branch = await call(hub, `POST /api/models/acme/m/branch/${encodeURIComponent(name)}`, {
      json: {},
    });
    const tag = await call(hub, "POST /api/models/acme/m/tag/main", { json: { tag: name } });
    expect([name, branch.status, tag.status]).toEqual([name, 400, 400]);
  }
});
