import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as hf from "@huggingface/hub";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type LocalHub, type SeenRequest, startLocalHub } from "./local-hub.ts";

const accessToken = "hf_test";
const model = new URL("../../test/models/nemotron-nano-tiny/", import.meta.url);
const repo = "acme/Tiny-oQ4e";

let folder: string;
let hub: LocalHub;
let to: { hubUrl: string; accessToken: string };
const seen: SeenRequest[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "local-hub-"));
  hub = await startLocalHub({
    folder,
    multipartThreshold: 8_000_000,
    partSize: 5_000_000,
    pageSize: 3,
    onRequest: (request) => seen.push(request),
  });
  to = { hubUrl: hub.url, accessToken };
});

afterAll(async () => {
  await hub.close();
  await rm(folder, { recursive: true });
});

/** Requests that `run` caused, as `METHOD /path`. */
async function requestsOf(run: () => Promise<unknown>): Promise<string[]> {
  const before = seen.length;
  await run();
  return seen
    .slice(before)
    .map(({ method, url, origin }) => `${origin} ${method} ${url.split("?")[0]}`);
}

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

test("whoAmI says who the token is", async () => {
  const me = await hf.whoAmI(to);
  expect(me).toMatchObject({
    name: "local",
    type: "user",
    auth: { accessToken: { role: "write" } },
  });
  await expect(hf.whoAmI({ ...to, accessToken: "hf_invalid" })).rejects.toMatchObject({
    statusCode: 401,
  });
});

test("createRepo creates once, with .gitattributes in it", async () => {
  expect(await hf.repoExists({ repo, ...to })).toBe(false);
  const made = await hf.createRepo({ repo, ...to });
  expect(made).toEqual({ repoUrl: `${hub.url}/${repo}`, id: repo });
  await expect(hf.createRepo({ repo, ...to })).rejects.toMatchObject({ statusCode: 409 });
  expect(await hf.repoExists({ repo, ...to })).toBe(true);
  expect([...hub.files(repo).keys()]).toEqual([".gitattributes"]);
});

test("commit uploads weights in parts to storage, other files in the commit", async () => {
  const operations = [
    { operation: "addOrUpdate" as const, path: "", content: model },
    { ...small("tiny.npz", "not large, but an archive") },
    { ...small("README.md", "---\nlicense: mit\nlibrary_name: mlx\ntags: [mlx]\n---\n# Tiny\n") },
  ];
  const requests = await requestsOf(() => hf.commit({ repo, operations, title: "Publish", ...to }));
  expect(requests.filter((line) => line.startsWith("storage"))).toHaveLength(4 + 1);
  expect(requests).toContain("hub POST /api/complete_multipart");
  const weights = hub.files(repo).get("model.safetensors");
  expect(weights).toMatchObject({ lfs: true, size: 15102156 });
  expect(hub.files(repo).get("tiny.npz")?.lfs).toBe(true);
  expect(hub.files(repo).get("tokenizer.json")?.lfs).toBe(false);
  const readable = await readFile(join(folder, repo, "model.safetensors"));
  expect(readable.equals(await readFile(new URL("model.safetensors", model)))).toBe(true);
});

test("the same weights again are not uploaded again", async () => {
  const content = pathToFileURL(new URL("model.safetensors", model).pathname);
  const operations = [{ operation: "addOrUpdate" as const, path: "copy.safetensors", content }];
  const requests = await requestsOf(() => hf.commit({ repo, operations, title: "Copy", ...to }));
  expect(requests.filter((line) => line.startsWith("storage"))).toEqual([]);
  expect(hub.files(repo).get("copy.safetensors")?.sha256).toBe(
    hub.files(repo).get("model.safetensors")?.sha256,
  );
});

test("listFiles follows its pages", async () => {
  const requests = await requestsOf(async () => {
    const files = await collect(hf.listFiles({ repo, recursive: true, ...to }));
    expect(files.map((file) => file.path)).toEqual([...hub.files(repo).keys()]);
    const weights = files.find((file) => file.path === "model.safetensors")!;
    expect(weights.lfs).toEqual({
      oid: hub.files(repo).get("model.safetensors")!.sha256,
      size: 15102156,
      pointerSize: 133,
    });
    expect(weights.oid).not.toBe(weights.lfs!.oid);
  });
  expect(requests).toHaveLength(Math.ceil(hub.files(repo).size / 3));
});

test("fileDownloadInfo and downloadFile read files and ranges, LFS by a redirect", async () => {
  const info = await hf.fileDownloadInfo({ repo, path: "model.safetensors", ...to });
  expect(info).toEqual({
    size: 15102156,
    etag: `"${hub.files(repo).get("model.safetensors")!.sha256}"`,
    url: `${hub.url}/${repo}/resolve/main/model.safetensors`,
  });
  const blob = (await hf.downloadFile({ repo, path: "model.safetensors", ...to }))!;
  const expected = await readFile(new URL("model.safetensors", model));
  expect(Buffer.from(await blob.slice(1_000_000, 1_000_100).arrayBuffer())).toEqual(
    expected.subarray(1_000_000, 1_000_100),
  );
  expect(Buffer.from(await blob.arrayBuffer()).equals(expected)).toBe(true);
  expect(await (await hf.downloadFile({ repo, path: "README.md", ...to }))!.text()).toMatch(
    /# Tiny/,
  );
  expect(await hf.fileDownloadInfo({ repo, path: "absent", ...to })).toBeNull();
  expect(await hf.fileExists({ repo, path: "absent", ...to })).toBe(false);
  expect(await hf.fileExists({ repo, path: "config.json", ...to })).toBe(true);
});

test("raw: the pointer of an LFS file", async () => {
  const pointer = await (await hf.downloadFile({
    repo,
    path: "model.safetensors",
    raw: true,
    ...to,
  }))!.text();
  const sha256 = hub.files(repo).get("model.safetensors")!.sha256;
  expect(pointer).toBe(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize 15102156\n`,
  );
});

test("snapshotDownload brings every file", async () => {
  vi.spyOn(console, "debug").mockImplementation(() => {}); // the client announces each file
  const cacheDir = await mkdtemp(join(tmpdir(), "hf-cache-"));
  try {
    const snapshot = await hf.snapshotDownload({ repo, cacheDir, ...to });
    expect(snapshot).toContain(hub.head(repo)!);
    for (const [path, { size }] of hub.files(repo))
      expect((await readFile(join(snapshot, path))).length).toBe(size);
  } finally {
    vi.restoreAllMocks();
    await rm(cacheDir, { recursive: true });
  }
});

test("modelInfo and listModels read the card", async () => {
  const info = await hf.modelInfo({
    name: repo,
    additionalFields: ["sha", "tags", "cardData", "filePaths"],
    ...to,
  });
  expect(info).toMatchObject({
    name: repo,
    private: false,
    gated: false,
    sha: hub.head(repo),
    cardData: { license: "mit" },
  });
  expect(info.tags).toEqual(["mlx", "safetensors", "license:mit"]);
  expect(info.filePaths).toEqual([...hub.files(repo).keys()]);
  const found = await collect(hf.listModels({ search: { owner: "acme", tags: ["mlx"] }, ...to }));
  expect(found.map((one) => one.name)).toEqual([repo]);
  expect(await collect(hf.listModels({ search: { tags: ["gguf"] }, ...to }))).toEqual([]);
});

test("parseSafetensorsMetadata counts the embedded model's parameters", async () => {
  const parsed = await hf.parseSafetensorsMetadata({
    repo,
    path: "model.safetensors",
    computeParametersCount: true,
    ...to,
  });
  const file = await readFile(new URL("model.safetensors", model));
  const header = JSON.parse(
    file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString(),
  ) as Record<string, { shape?: number[] }>;
  const counts = Object.values(header).flatMap(({ shape }) =>
    shape ? [shape.reduce((a, b) => a * b, 1)] : [],
  );
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  expect(sum(counts)).toBeGreaterThan(7_000_000);
  expect(sum(Object.values(parsed.parameterCount))).toBe(sum(counts));
});

test("parentCommit refuses a commit after another one", async () => {
  const stale = hub.head(repo)!;
  await hf.commit({
    repo,
    operations: [small("a.txt", "a")],
    title: "A",
    parentCommit: stale,
    ...to,
  });
  const late = hf.commit({
    repo,
    operations: [small("b.txt", "b")],
    title: "B",
    parentCommit: stale,
    ...to,
  });
  await expect(late).rejects.toMatchObject({ statusCode: 412 });
  expect(hub.files(repo).has("b.txt")).toBe(false);
});

test("deleteFile deletes, once", async () => {
  await hf.deleteFile({ repo, path: "copy.safetensors", ...to });
  expect(hub.files(repo).has("copy.safetensors")).toBe(false);
  await expect(hf.deleteFile({ repo, path: "copy.safetensors", ...to })).rejects.toMatchObject({
    statusCode: 404,
  });
});

test("a read token may read, not write; the token never reached the storage origin", async () => {
  const reader = { hubUrl: hub.url, accessToken: "hf_read_only" };
  expect(await (await hf.downloadFile({ repo, path: "config.json", ...reader }))!.text()).toMatch(
    /nemotron_h/,
  );
  const write = hf.commit({ repo, operations: [small("c.txt", "c")], title: "C", ...reader });
  await expect(write).rejects.toMatchObject({ statusCode: 403 });
  await expect(hf.createRepo({ repo: "acme/other", ...reader })).rejects.toMatchObject({
    statusCode: 403,
  });
  expect(hub.leakedTokens).toBe(0);
});

test("deleteRepo removes history and folder", async () => {
  await hf.deleteRepo({ repo, ...to });
  expect(hub.head(repo)).toBeNull();
  expect(await hf.repoExists({ repo, ...to })).toBe(false);
  await expect(readFile(join(folder, repo, "config.json"))).rejects.toMatchObject({
    code: "ENOENT",
  });
});
