import { expect, test } from "vitest";
import {
  addFile,
  call,
  commit,
  createRepo,
  refusal,
  startHub,
} from "../../test/support/local-hub.ts";

const users = {
  hf_ada: { name: "ada", organizations: ["acme"], role: "write" as const },
  hf_eve: { name: "eve", role: "write" as const },
  hf_bob: { name: "bob", organizations: ["acme"], role: "read" as const },
};

test("statuses 401, 403 and 404 by token and repository", async () => {
  const hub = await startHub({ users });
  await createRepo(hub, "acme/open", "hf_ada");
  await createRepo(hub, "acme/secret", "hf_ada", { visibility: "private" });
  const read = async (id: string, token: string | null) =>
    refusal(await call(hub, `GET /api/models/${id}`, { token }));
  expect(await read("acme/absent", null)).toMatchObject({
    status: 401,
    error: "Invalid username or password.",
  });
  expect(await read("acme/absent", "hf_ada")).toMatchObject({ status: 404, code: "RepoNotFound" });
  expect(await read("acme/secret", null)).toMatchObject({ status: 401, code: "RepoNotFound" });
  expect(await read("acme/secret", "hf_eve")).toMatchObject({ status: 404, code: "RepoNotFound" });
  expect((await call(hub, "GET /api/models/acme/secret", { token: "hf_bob" })).status).toBe(200);
  expect((await call(hub, "GET /api/models/acme/open", { token: null })).status).toBe(200);
  const wrong = { status: 401, error: "Invalid credentials in Authorization header" };
  expect(await read("acme/open", "hf_nobody")).toMatchObject(wrong);
  expect(await read("acme/open", "__proto__")).toMatchObject(wrong);
  const basic = { token: null, headers: { Authorization: "Basic aGY6aGY=" } };
  expect(await refusal(await call(hub, "GET /api/models/acme/open", basic))).toMatchObject(wrong);
  expect((await call(hub, "GET /api/whoami-v2", { token: null })).status).toBe(401);
});

test("every write needs its right", async () => {
  const hub = await startHub({ users });
  await createRepo(hub, "acme/open", "hf_ada");
  const object = { oid: "a".repeat(64), size: 1 };
  const writes: [string, unknown][] = [
    ["POST /api/models/acme/open/preupload/main", { files: [] }],
    ["POST /acme/open.git/info/lfs/objects/batch", { operation: "upload", objects: [object] }],
    ["POST /acme/open.git/info/lfs/verify", object],
    ["POST /api/models/acme/open/branch/b", {}],
    ["DELETE /api/models/acme/open/branch/b", undefined],
    ["POST /api/models/acme/open/tag/main", { tag: "t" }],
    ["DELETE /api/models/acme/open/tag/t", undefined],
    ["POST /api/models/acme/open/discussions/1/merge", {}],
    ["POST /api/models/acme/open/discussions/1/status", { status: "closed" }],
    ["POST /api/repos/create", { organization: "acme", name: "new" }],
    ["DELETE /api/repos/delete", { organization: "acme", name: "open" }],
  ];
  for (const [line, json] of writes) {
    const statusFor = async (token: string | null) =>
      (await call(hub, line, { token, json })).status;
    expect([
      line,
      await statusFor(null),
      await statusFor("hf_bob"),
      await statusFor("hf_eve"),
    ]).toEqual([line, 401, 403, 403]);
  }
  for (const token of [null, "hf_bob", "hf_eve"]) {
    expect((await commit(hub, "acme/open", [addFile("a", "a")], { token })).status).toBe(
      token ? 403 : 401,
    );
  }
  const proposed = await commit(hub, "acme/open", [addFile("a", "a")], {
    token: "hf_eve",
    query: "?create_pr=1",
  });
  expect(proposed.status).toBe(200);
  expect(
    (
      await commit(hub, "acme/open", [addFile("a", "a")], {
        token: "hf_bob",
        query: "?create_pr=1",
      })
    ).status,
  ).toBe(403);
  expect([...hub.files("acme/open").keys()]).toEqual([".gitattributes"]);
});

test("default users: any hf_ token may write, hf_read may read, hf_invalid is unknown", async () => {
  const hub = await startHub();
  expect((await createRepo(hub, "any/one", "hf_whatever")).status).toBe(200);
  expect((await createRepo(hub, "any/two", "hf_read")).status).toBe(403);
  expect((await createRepo(hub, "any/two", "hf_invalid")).status).toBe(401);
  expect((await createRepo(hub, "any/two", "other")).status).toBe(401);
  const me = await (await call(hub, "GET /api/whoami-v2")).json();
  expect(me).toMatchObject({ name: "local", orgs: [{ name: "any", roleInOrg: "write" }] });
});

test("a gate refuses files, not the description, until the user is listed", async () => {
  const gated: Record<string, string[]> = { "acme/open": [] };
  const hub = await startHub({ users, gated });
  await createRepo(hub, "acme/open", "hf_ada");
  const get = async (token: string | null) =>
    refusal(await call(hub, "GET /acme/open/resolve/main/.gitattributes", { token }));
  expect(await get("hf_ada")).toMatchObject({ status: 403, code: "GatedRepo" });
  expect(await get(null)).toMatchObject({ status: 401, code: "GatedRepo" });
  expect(
    (await call(hub, "GET /acme/open/raw/main/.gitattributes", { token: "hf_ada" })).status,
  ).toBe(403);
  expect(
    await (await call(hub, "GET /api/models/acme/open", { token: null })).json(),
  ).toMatchObject({
    gated: "manual",
  });
  gated["acme/open"]!.push("ada");
  expect(
    (await call(hub, "GET /acme/open/resolve/main/.gitattributes", { token: "hf_ada" })).status,
  ).toBe(200);
});
