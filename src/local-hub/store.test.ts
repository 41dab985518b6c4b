import {
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  addFile,
  call,
  commit,
  createRepo,
  lfsFile,
  scratchFolder,
  sha256,
  startHub,
  upload,
} from "../../test/support/local-hub.ts";
import { startLocalHub } from "./local-hub.ts";

const weights = new Uint8Array(Buffer.from("not really weights"));

/** The same few requests, whatever the folder. */
async function history(folder: string): Promise<string[]> {
  const hub = await startLocalHub({ folder });
  await createRepo(hub, "acme/m");
  const heads = [hub.head("acme/m")!];
  await upload(hub, "acme/m", weights);
  await commit(hub, "acme/m", [
    lfsFile("w.safetensors", weights),
    addFile("b/c.txt", "c"),
    addFile("README.md", "# M\n"),
  ]);
  heads.push(hub.head("acme/m")!);
  await commit(hub, "acme/m", [
    addFile("README.md", "# N\n"),
    { key: "deletedFolder", value: { path: "b" } },
  ]);
  heads.push(hub.head("acme/m")!);
  await hub.close();
  return heads;
}

test("the same requests give the same commits", async () => {
  const [one, two] = [await history(await scratchFolder()), await history(await scratchFolder())];
  expect(one).toEqual(two);
  expect(new Set(one).size).toBe(3);
  for (const id of one) expect(id).toMatch(/^[0-9a-f]{40}$/);
});

test("everything survives a restart", async () => {
  const folder = await scratchFolder();
  const heads = await history(folder);
  const hub = await startHub({ folder });
  expect(hub.head("acme/m")).toBe(heads[2]);
  const commits = (await (await call(hub, "GET /api/models/acme/m/commits/main")).json()) as {
    id: string;
  }[];
  expect(commits.map((one) => one.id)).toEqual([...heads].reverse());
  expect(await (await call(hub, `GET /acme/m/resolve/${heads[1]}/b/c.txt`)).text()).toBe("c");
  expect(
    (await commit(hub, "acme/m", [addFile("d.txt", "d")], { parentCommit: heads[2]! })).status,
  ).toBe(200);
});

test("an uploaded object without a commit survives a restart, to resume the upload", async () => {
  const folder = await scratchFolder();
  const first = await startLocalHub({ folder });
  await createRepo(first, "acme/m");
  await upload(first, "acme/m", weights);
  await first.close();
  const hub = await startHub({ folder });
  expect((await commit(hub, "acme/m", [lfsFile("w.bin", weights)])).status).toBe(200);
});

test("the readable folder has the files of main after every commit", async () => {
  const folder = await scratchFolder();
  const hub = await startHub({ folder });
  await createRepo(hub, "acme/m");
  const list = async () => (await readdir(join(folder, "acme/m"), { recursive: true })).sort();
  await commit(hub, "acme/m", [addFile("a/b/c.txt", "1"), addFile("d.txt", "1")]);
  expect(await list()).toEqual([".gitattributes", "a", "a/b", "a/b/c.txt", "d.txt"]);
  await commit(hub, "acme/m", [
    { key: "deletedFile", value: { path: "a/b/c.txt" } },
    addFile("d.txt", "2"),
  ]);
  expect(await list()).toEqual([".gitattributes", "d.txt"]);
  await commit(hub, "acme/m", [
    { key: "deletedFile", value: { path: "d.txt" } },
    addFile("d.txt/now/folder", "3"),
  ]);
  expect(await readFile(join(folder, "acme/m/d.txt/now/folder"), "utf8")).toBe("3");
  await call(hub, "POST /api/models/acme/m/branch/side", { json: {} });
  await commit(hub, "acme/m", [addFile("side.txt", "s")], { branch: "side" });
  expect(await list()).not.toContain("side.txt");
});

test("a folder without a history becomes a repository on start", async () => {
  const folder = await scratchFolder();
  await mkdir(join(folder, "acme/base/sub"), { recursive: true });
  await mkdir(join(folder, "not legal!/x"), { recursive: true });
  await mkdir(join(folder, "acme/base/.git"), { recursive: true });
  await writeFile(join(folder, "acme/base/.git/config"), "secret");
  await writeFile(join(folder, "acme/base/model.safetensors"), weights);
  await writeFile(join(folder, "acme/base/sub/config.json"), "{}");
  const first = await startLocalHub({ folder });
  const head = first.head("acme/base")!;
  expect(
    [...first.files("acme/base")].map(([path, { lfs, sha256 }]) => [path, lfs, sha256]),
  ).toEqual([
    ["model.safetensors", true, sha256(weights)],
    ["sub/config.json", false, sha256(Buffer.from("{}"))],
  ]);
  await first.close();
  const again = await startHub({ folder });
  expect(again.head("acme/base")).toBe(head);
  expect((await call(again, "GET /api/models")).status).toBe(200);
});

test("seed commits the folder to main if it differs", async () => {
  const [folder, source] = [await scratchFolder(), await scratchFolder()];
  const hub = await startHub({ folder });
  await writeFile(join(source, "config.json"), "{}");
  await writeFile(join(source, "w.safetensors"), weights);
  const first = await hub.seed("base/m", source);
  expect(await hub.seed("base/m", source)).toBe(first);
  await rm(join(source, "w.safetensors"));
  const second = await hub.seed("base/m", source);
  expect([second === first, hub.head("base/m"), [...hub.files("base/m").keys()]]).toEqual([
    false,
    second,
    ["config.json"],
  ]);
  await writeFile(join(source, "config.json"), "changed after seeding");
  expect(await (await call(hub, "GET /base/m/resolve/main/config.json")).text()).toBe("{}");
  await expect(hub.seed("base/../m", source)).rejects.toMatchObject({ code: "BAD_INPUT" });
  await expect(hub.seed("base/n", join(source, "absent"))).rejects.toMatchObject({ code: "DISK" });
  expect(hub.head("base/n")).toBeNull();
});

test("a copied cache snapshot, all symbolic links, can be seeded", async () => {
  const [folder, cache] = [await scratchFolder(), await scratchFolder()];
  await mkdir(join(cache, "blobs"));
  await mkdir(join(cache, "snapshot"));
  await writeFile(join(cache, "blobs/1"), weights);
  await symlink("../blobs/1", join(cache, "snapshot/model.safetensors"));
  await symlink("../blobs/gone", join(cache, "snapshot/dangling.json"));
  await symlink("..", join(cache, "snapshot/loop"));
  const hub = await startHub({ folder });
  await hub.seed("base/m", join(cache, "snapshot"));
  expect([...hub.files("base/m").keys()]).toEqual(["model.safetensors"]);
  expect(await readFile(join(folder, "base/m/model.safetensors"))).toEqual(Buffer.from(weights));
});

test("a symbolic link in the readable folder never makes a commit write outside it", async () => {
  const [folder, outside] = [await scratchFolder(), await scratchFolder()];
  await writeFile(join(outside, "kept.txt"), "kept");
  const hub = await startHub({ folder });
  await createRepo(hub, "acme/m");
  await symlink(outside, join(folder, "acme/m/out"));
  await symlink(join(outside, "kept.txt"), join(folder, "acme/m/file.txt"));
  await commit(hub, "acme/m", [addFile("out/new.txt", "new"), addFile("file.txt", "mine")]);
  expect(await readdir(outside)).toEqual(["kept.txt"]);
  expect(await readFile(join(outside, "kept.txt"), "utf8")).toBe("kept");
  expect(await readFile(join(folder, "acme/m/out/new.txt"), "utf8")).toBe("new");
});

test("a commit replaces a person's file of the same name in the readable folder", async () => {
  const folder = await scratchFolder();
  const hub = await startHub({ folder });
  await createRepo(hub, "acme/m");
  await mkdir(join(folder, "acme/m/notes"));
  await writeFile(join(folder, "acme/m/notes/mine.txt"), "mine");
  await writeFile(join(folder, "acme/m/kept.txt"), "kept");
  await commit(hub, "acme/m", [addFile("notes", "a file")]);
  expect(await readFile(join(folder, "acme/m/notes"), "utf8")).toBe("a file");
  expect(await readFile(join(folder, "acme/m/kept.txt"), "utf8")).toBe("kept");
});

test("after a crash between commit and readable folder, the next start updates the folder", async () => {
  const folder = await scratchFolder();
  const [, older, newer] = await history(folder);
  await writeFile(join(folder, ".hub/acme/m/shown"), `${older}\n`);
  await writeFile(join(folder, "acme/m/README.md"), "# M\n");
  await mkdir(join(folder, ".hub/acme/m/aside"), { recursive: true });
  await writeFile(join(folder, ".hub/acme/m/aside/half"), "half an upload");
  const hub = await startHub({ folder });
  expect(hub.head("acme/m")).toBe(newer);
  expect(await readFile(join(folder, "acme/m/README.md"), "utf8")).toBe("# N\n");
  expect(await readdir(join(folder, ".hub/acme/m/aside"))).toEqual([]);
});

test("a crash while a repository is created leaves none", async () => {
  const folder = await scratchFolder();
  await history(folder);
  await rm(join(folder, ".hub/acme/m/state.json"));
  await rm(join(folder, "acme/m"), { recursive: true });
  const hub = await startHub({ folder });
  expect(hub.head("acme/m")).toBeNull();
  expect((await createRepo(hub, "acme/m")).status).toBe(200);
});

test("a readable folder that cannot be updated does not undo the commit", async () => {
  const folder = await scratchFolder();
  const first = await startLocalHub({ folder });
  await createRepo(first, "acme/m");
  const complaint = vi.spyOn(console, "error").mockImplementation(() => {});
  await rm(join(folder, "acme/m"), { recursive: true });
  await writeFile(join(folder, "acme/m"), "a file where the folder was");
  expect((await commit(first, "acme/m", [addFile("a.txt", "a")])).status).toBe(200);
  expect(complaint).toHaveBeenCalledOnce();
  complaint.mockRestore();
  await first.close();
  await rm(join(folder, "acme/m"));
  const hub = await startHub({ folder });
  expect([...hub.files("acme/m").keys()]).toEqual([".gitattributes", "a.txt"]);
  expect(await readFile(join(folder, "acme/m/a.txt"), "utf8")).toBe("a");
});

test("deleting leaves nothing, and the name can be used again", async () => {
  const folder = await scratchFolder();
  await history(folder);
  const hub = await startHub({ folder });
  const json = { organization: "acme", name: "m" };
  expect((await call(hub, "DELETE /api/repos/delete", { json })).status).toBe(200);
  expect(await readdir(join(folder, "acme"))).toEqual([]);
  expect(await readdir(join(folder, ".hub/acme"))).toEqual([]);
  await createRepo(hub, "acme/m");
  expect([...hub.files("acme/m").keys()]).toEqual([".gitattributes"]);
});

test("a copy of the whole folder is the same Hub", async () => {
  const [folder, parent] = [await scratchFolder(), await scratchFolder()];
  const heads = await history(folder);
  await cp(folder, join(parent, "copy"), { recursive: true });
  const hub = await startHub({ folder: join(parent, "copy") });
  expect(hub.head("acme/m")).toBe(heads[2]);
});

test("an unusable folder or port gives one clear error", async () => {
  const folder = await scratchFolder();
  await writeFile(join(folder, "file"), "");
  await expect(startLocalHub({ folder: join(folder, "file") })).rejects.toMatchObject({
    code: "DISK",
  });
  const hub = await startHub();
  const port = Number(new URL(hub.url).port);
  await expect(startLocalHub({ folder: await scratchFolder(), port })).rejects.toMatchObject({
    code: "BAD_INPUT",
  });
});

test("objects are read-only, so that an editor cannot change history through a link", async () => {
  const folder = await scratchFolder();
  await history(folder);
  const file = join(folder, "acme/m/w.safetensors");
  await expect(readFile(file)).resolves.toEqual(Buffer.from(weights));
  expect((await stat(file)).mode & 0o222).toBe(0);
  await chmod(file, 0o644);
});

test.each([
  ["{", /state\.json is not JSON/],
  [
    '{"private":false,"branches":{"main":7},"tags":{},"discussions":[]}',
    /field "branches\.main" is 7;/,
  ],
])("a damaged state (%s) ends the start with an error about the file", async (text, words) => {
  const folder = await scratchFolder();
  await history(folder);
  await writeFile(join(folder, ".hub/acme/m/state.json"), text);
  await expect(startLocalHub({ folder })).rejects.toMatchObject({
    code: "DISK",
    message: expect.stringMatching(words),
  });
});
