import { readdir, stat } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  batch,
  bytesOf,
  call,
  commit,
  createRepo,
  lfsFile,
  put,
  scratchFolder,
  sha256,
  startWithRepo as started,
  upload,
} from "../../test/support/local-hub.ts";

test("an object is uploaded once, verified, committed and read by range", async () => {
  const hub = await started();
  const bytes = bytesOf(1000);
  const actions = (await batch(hub, "acme/m", bytes))!;
  expect(new URL(actions.upload.href).origin).toBe(hub.storageUrl);
  const facts = { oid: sha256(bytes), size: bytes.length };
  expect((await call(hub, `POST ${actions.verify.href}`, { json: facts })).status).toBe(404);
  expect((await put(hub, actions.upload.href, bytes)).status).toBe(200);
  expect((await call(hub, `POST ${actions.verify.href}`, { json: facts })).status).toBe(200);
  expect(
    (await call(hub, `POST ${actions.verify.href}`, { json: { ...facts, size: 999 } })).status,
  ).toBe(400);
  expect(await batch(hub, "acme/m", bytes)).toBeNull();
  expect((await commit(hub, "acme/m", [lfsFile("w.bin", bytes)])).status).toBe(200);
  const link = await call(hub, "GET /acme/m/resolve/main/w.bin", {
    headers: { Accept: "application/vnd.xet-fileinfo+json, */*" },
  });
  expect(link.status).toBe(302);
  expect(Object.fromEntries(link.headers)).toMatchObject({
    "x-repo-commit": hub.head("acme/m"),
    "x-linked-size": "1000",
    "x-linked-etag": `"${sha256(bytes)}"`,
  });
  const location = link.headers.get("Location")!;
  const get = async (Range?: string) =>
    call(hub, `GET ${location}`, { token: null, headers: Range ? { Range } : {} });
  expect(Buffer.from(await (await get()).arrayBuffer()).equals(bytes)).toBe(true);
  const part = await get("bytes=-10");
  expect([part.status, part.headers.get("Content-Range")]).toEqual([206, "bytes 990-999/1000"]);
  expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.slice(990));
  const beyond = await get("bytes=1000-");
  expect([beyond.status, beyond.headers.get("Content-Range")]).toEqual([416, "bytes */1000"]);
  expect((await call(hub, `HEAD ${location}`, { token: null })).headers.get("Content-Length")).toBe(
    "1000",
  );
});

test("a token sent to the storage origin is counted and refused", async () => {
  const hub = await started();
  const bytes = bytesOf(10);
  const { upload: action } = (await batch(hub, "acme/m", bytes))!;
  expect((await call(hub, `PUT ${action.href}`, { body: bytes })).status).toBe(400);
  expect(hub.leakedTokens).toBe(1);
  expect((await commit(hub, "acme/m", [lfsFile("w.bin", bytes)])).status).toBe(400);
});

test("bytes that differ from the announced hash or size never become an object", async () => {
  const folder = await scratchFolder();
  const hub = await started({ folder });
  const bytes = bytesOf(1000);
  const { upload: action } = (await batch(hub, "acme/m", bytes))!;
  const wrong = new Uint8Array(bytes);
  wrong[500]! ^= 1;
  expect((await put(hub, action.href, wrong)).status).toBe(400);
  expect((await put(hub, action.href, bytes.slice(1))).status).toBe(400);
  expect((await put(hub, action.href, bytesOf(1001))).status).toBe(400);
  expect((await commit(hub, "acme/m", [lfsFile("w.bin", bytes)])).status).toBe(400);
  expect(await readdir(join(folder, ".hub/acme/m/aside"))).toEqual([]);
});

test("an interrupted upload leaves nothing, and may be repeated", async () => {
  const folder = await scratchFolder();
  const hub = await started({ folder });
  const bytes = bytesOf(100_000);
  const { upload: action } = (await batch(hub, "acme/m", bytes))!;
  await new Promise<void>((resolve) => {
    const sent = request(action.href, {
      method: "PUT",
      headers: { "Content-Length": bytes.length },
    });
    sent.on("error", () => resolve());
    sent.write(bytes.slice(0, 50_000), () => sent.destroy(new Error("gone")));
  });
  const aside = join(folder, ".hub/acme/m/aside");
  await vi.waitFor(async () => expect(await readdir(aside)).toEqual([]));
  expect((await put(hub, action.href, bytes)).status).toBe(200);
});

test("an upload without a length is refused, as by S3", async () => {
  const hub = await started();
  const bytes = bytesOf(10);
  const { upload: action } = (await batch(hub, "acme/m", bytes))!;
  const status = await new Promise((resolve, reject) => {
    const sent = request(
      action.href,
      { method: "PUT", headers: { "Transfer-Encoding": "chunked" } },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    sent.on("error", reject);
    sent.end(bytes);
  });
  expect(status).toBe(411);
});

test("a signature is valid for one method, path, size and time", async () => {
  const hub = await started();
  const bytes = bytesOf(10);
  const { upload: action } = (await batch(hub, "acme/m", bytes))!;
  const href = new URL(action.href);
  const variants = ["size", "expires", "signature"].map((name) => {
    const changed = new URL(href);
    changed.searchParams.set(name, "11");
    return changed.href;
  });
  const elsewhere = action.href.replace(sha256(bytes), "a".repeat(64));
  for (const url of [
    ...variants,
    elsewhere,
    `${href.origin}${href.pathname}`,
    `${hub.storageUrl}/`,
  ]) {
    expect([url, (await put(hub, url, bytes)).status]).toEqual([url, 403]);
  }
  expect((await call(hub, `GET ${action.href}`, { token: null })).status).toBe(403);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 901_000 });
  expect((await put(hub, action.href, bytes)).status).toBe(403);
  vi.useRealTimers();
  expect((await put(hub, action.href, bytes)).status).toBe(200);
});

test("batch refuses wrong requests, and never offers xet", async () => {
  const hub = await started({ multipartThreshold: 100 });
  const oid = "a".repeat(64);
  const ask = async (json: object) =>
    call(hub, "POST /acme/m.git/info/lfs/objects/batch", { json });
  for (const objects of [
    [],
    [{}],
    [null],
    [{ oid, size: -1 }],
    [{ oid, size: 1.5 }],
    [{ oid: "A".repeat(64), size: 1 }],
    [{ oid }],
    "x",
  ]) {
    expect([objects, (await ask({ operation: "upload", objects })).status]).toEqual([objects, 400]);
  }
  expect((await ask({ operation: "delete", objects: [{ oid, size: 1 }] })).status).toBe(400);
  expect(
    (await ask({ operation: "upload", hash_algo: "md5", objects: [{ oid, size: 1 }] })).status,
  ).toBe(400);
  const transfers = ["basic", "multipart", "xet"];
  const transferOf = async (size: number) =>
    (await ask({ operation: "upload", transfers, objects: [{ oid, size }] })).json();
  expect(await transferOf(99)).toMatchObject({ transfer: "basic" });
  expect(await transferOf(100)).toMatchObject({ transfer: "multipart" });
  expect(await transferOf(0)).toMatchObject({ objects: [{ error: { code: 422 } }] });
  const bytes = bytesOf(10);
  await upload(hub, "acme/m", bytes);
  const known = await ask({ operation: "upload", objects: [{ oid: sha256(bytes), size: 11 }] });
  expect(await known.json()).toMatchObject({ objects: [{ error: { code: 422 } }] });
  const fetched = await (
    await ask({
      operation: "download",
      objects: [
        { oid: sha256(bytes), size: 10 },
        { oid, size: 1 },
      ],
    })
  ).json();
  expect(fetched).toMatchObject({
    objects: [{ actions: { download: {} } }, { error: { code: 404 } }],
  });
});

test("objects of one repo are unknown to another", async () => {
  const hub = await started();
  await createRepo(hub, "acme/other");
  const bytes = bytesOf(10);
  await upload(hub, "acme/m", bytes);
  expect((await commit(hub, "acme/other", [lfsFile("w.bin", bytes)])).status).toBe(400);
  expect(await batch(hub, "acme/other", bytes)).not.toBeNull();
});

test("a commit may name an object without its size, not with a wrong one", async () => {
  const hub = await started();
  const bytes = bytesOf(10);
  await upload(hub, "acme/m", bytes);
  const line = (value: object) => ({
    key: "lfsFile",
    value: { path: "w.xyz", algo: "sha256", oid: sha256(bytes), ...value },
  });
  expect((await commit(hub, "acme/m", [line({ size: 11 })])).status).toBe(400);
  expect((await commit(hub, "acme/m", [line({})])).status).toBe(200);
  const attributes = await (await call(hub, "GET /acme/m/resolve/main/.gitattributes")).text();
  expect(attributes).toMatch(/\nw\.xyz filter=lfs diff=lfs merge=lfs -text\n$/);
});

test("LFS files of the readable folder are links to their objects, not copies", async () => {
  const folder = await scratchFolder();
  const hub = await started({ folder });
  const bytes = bytesOf(10);
  await upload(hub, "acme/m", bytes);
  await commit(hub, "acme/m", [lfsFile("a.bin", bytes), lfsFile("b.bin", bytes)]);
  const { ino } = await stat(
    join(folder, ".hub/acme/m/objects", sha256(bytes).slice(0, 2), sha256(bytes)),
  );
  for (const name of ["a.bin", "b.bin"])
    expect((await stat(join(folder, "acme/m", name))).ino).toBe(ino);
});
