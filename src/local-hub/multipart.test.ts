import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  batch,
  bytesOf,
  call,
  commit,
  lfsFile,
  put,
  scratchFolder,
  sha256,
  startWithRepo as started,
  type UploadActions,
} from "../../test/support/local-hub.ts";
import type { LocalHub } from "./local-hub.ts";

/** Uploads the parts; returns what completion wants to hear about them. */
async function putParts(
  hub: LocalHub,
  { upload: { header } }: UploadActions,
  bytes: Uint8Array<ArrayBuffer>,
) {
  const size = Number(header.chunk_size);
  const numbers = Object.keys(header)
    .filter((key) => /^\d+$/.test(key))
    .map(Number);
  const parts = [];
  for (const partNumber of numbers) {
    const slice = bytes.slice((partNumber - 1) * size, partNumber * size);
    const answer = await put(hub, header[String(partNumber).padStart(5, "0")]!, slice);
    expect(answer.status).toBe(200);
    const etag = answer.headers.get("ETag")!;
    expect(etag).toBe(`"${createHash("md5").update(slice).digest("hex")}"`);
    parts.push({ partNumber, etag });
  }
  return parts;
}

const complete = (hub: LocalHub, href: string, bytes: Uint8Array, parts: unknown) =>
  call(hub, `POST ${href}`, { token: null, json: { oid: sha256(bytes), parts } });

test("parts in any order become one object; completing twice is fine", async () => {
  const folder = await scratchFolder();
  const hub = await started({ folder, multipartThreshold: 100, partSize: 30 });
  const bytes = bytesOf(100);
  const abandoned = (await batch(hub, "acme/m", bytes, ["basic", "multipart"]))!;
  await putParts(hub, abandoned, bytes);
  const actions = (await batch(hub, "acme/m", bytes, ["basic", "multipart"]))!;
  expect(Object.keys(actions.upload.header)).toEqual([
    "chunk_size",
    "00001",
    "00002",
    "00003",
    "00004",
  ]);
  const parts = await putParts(hub, actions, bytes);
  expect((await complete(hub, actions.upload.href, bytes, [...parts].reverse())).status).toBe(200);
  expect((await complete(hub, actions.upload.href, bytes, parts)).status).toBe(200);
  expect((await commit(hub, "acme/m", [lfsFile("w.bin", bytes)])).status).toBe(200);
  expect(new Uint8Array(await readFile(join(folder, "acme/m/w.bin")))).toEqual(bytes);
  expect(await readdir(join(folder, ".hub/acme/m/aside"))).toEqual([]);
});

test("a completion with wrong parts is refused", async () => {
  const hub = await started({ multipartThreshold: 100, partSize: 30 });
  const bytes = bytesOf(100);
  const actions = (await batch(hub, "acme/m", bytes, ["basic", "multipart"]))!;
  const { href } = actions.upload;
  expect((await complete(hub, href, bytes, [])).status).toBe(400);
  const parts = await putParts(hub, actions, bytes);
  const bad = [
    parts.slice(1),
    [...parts, parts[0]],
    parts.map((part) => ({ ...part, etag: '"0"' })),
    [null, ...parts.slice(1)],
    "parts",
  ];
  for (const given of bad) expect((await complete(hub, href, bytes, given)).status).toBe(400);
  expect((await complete(hub, href, bytesOf(100), parts)).status).toBe(400);
  expect(
    (await complete(hub, href.replace(/signature=./, "signature=-"), bytes, parts)).status,
  ).toBe(403);
  expect((await complete(hub, href, bytes, parts)).status).toBe(200);
});

test("parts with another hash than announced never become an object", async () => {
  const hub = await started({ multipartThreshold: 100, partSize: 30 });
  const bytes = bytesOf(100);
  const actions = (await batch(hub, "acme/m", bytes, ["basic", "multipart"]))!;
  const parts = await putParts(hub, actions, bytesOf(100));
  expect((await complete(hub, actions.upload.href, bytes, parts)).status).toBe(400);
  expect((await commit(hub, "acme/m", [lfsFile("w.bin", bytes)])).status).toBe(400);
});
