import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  hashes,
  id,
  published,
  series,
  startPush as start,
  writeFolder,
} from "../../test/support/push.ts";
import { connectForTest, thrown } from "../../test/support/scripted-server.ts";

describe("a push", () => {
  it("creates the repository, uploads every file, commits once, and confirms it", async () => {
    const { local, push, count, report } = await start();
    const folder = await writeFolder("a", series);
    const result = await push(folder);
    expect(result).toEqual({
      outcome: "published",
      commit: local.head(id),
      url: `${local.url}/${id}`,
    });
    expect(published(local)).toEqual(await hashes(folder));
    expect(count(/POST .*\/commit\//)).toBe(1);
    expect(local.leakedTokens).toBe(0);
    expect(report.ticks.at(-1)).toEqual([350_001, 350_001, "bytes uploaded"]);
    expect(report.ticks.length).toBeLessThan(120);
  });

  it("of the same folder again changes nothing and reports it", async () => {
    const { local, push, count } = await start();
    const folder = await writeFolder("a", series);
    const first = await push(folder);
    const writes = count(/^(POST|PUT|DELETE)/);
    expect(await push(folder)).toEqual({ ...first, outcome: "unchanged" });
    expect(count(/^(POST|PUT|DELETE)/)).toBe(writes);
    expect(local.head(id)).toBe(first.commit);
  });

  it("sends only what changed, and removes what is gone", async () => {
    const { local, push, count } = await start();
    await push(await writeFolder("a", series));
    const { "empty.txt": _gone, "model-00001-of-00002.safetensors": _alsoGone, ...rest } = series;
    const folder = await writeFolder("b", {
      ...rest,
      "README.md": "---\nlibrary_name: mlx\n---\n# New\n",
    });
    const puts = count(/^PUT/);
    expect((await push(folder)).outcome).toBe("published");
    expect(published(local)).toEqual(await hashes(folder));
    expect(count(/^PUT/)).toBe(puts);
    expect(local.files(id).has(".gitattributes")).toBe(true);
  });

  it("uploads in parts where the Hub asks for parts", async () => {
    const { local, push, count } = await start({ multipartThreshold: 64_000, partSize: 30_000 });
    const folder = await writeFolder("a", series);
    await push(folder);
    expect(published(local)).toEqual(await hashes(folder));
    expect(count(/^PUT/)).toBe(4 + 9);
    expect(local.leakedTokens).toBe(0);
  });

  it("creates a private repository if asked to", async () => {
    const { local, hub, ask } = await start(
      {
        users: {
          hf_acme: { name: "acme", role: "write" },
          hf_other: { name: "other", role: "write" },
        },
      },
      { token: "hf_acme" },
    );
    await hub.push({ ...(await ask(await writeFolder("a", series))), private: true });
    const stranger = connectForTest(local.url, { token: "hf_other" }).hub;
    expect((await stranger.inspect(id)).exists).toBe(false);
    expect((await hub.inspect(id)).receipt).toBe('{"format": 1}');
  });

  it("shows the state of main", async () => {
    const { local, hub, push } = await start();
    expect(await hub.inspect(id)).toEqual({
      exists: false,
      head: null,
      files: new Map(),
      sums: null,
      receipt: null,
      card: null,
    });
    await push(await writeFolder("a", series));
    const state = await hub.inspect(id);
    expect(state).toMatchObject({ exists: true, head: local.head(id), receipt: '{"format": 1}' });
    expect(state.files.get("config.json")).toEqual({ size: 2, sha256: null });
    expect(state.sums).toBeNull();
    const shard = "model-00002-of-00002.safetensors";
    expect(state.files.get(shard)).toEqual({
      size: 250_001,
      sha256: local.files(id).get(shard)!.sha256,
    });
  });
});

describe("somebody else", () => {
  const theirs = { "README.md": "theirs", "other.txt": "theirs" };

  it("who commits before the push starts causes a CONFLICT, and nothing is sent", async () => {
    const { local, ask, hub, push, count } = await start();
    await push(await writeFolder("a", series));
    const request = await ask(await writeFolder("b", { ...series, "README.md": "b" }));
    const head = await local.seed(id, await writeFolder("theirs", theirs));
    const writes = count(/^(POST|PUT)/);
    expect(await thrown(hub.push(request))).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining(head),
    });
    expect(count(/^(POST|PUT)/)).toBe(writes);
    expect(local.head(id)).toBe(head);
  });

  it("who commits during the upload causes a CONFLICT, and main stays theirs", async () => {
    const folder = await writeFolder("theirs", theirs);
    let head = "";
    const { local, ask, hub, push } = await start(
      {},
      {
        fetch: async (input, init) => {
          if (String(input).includes("/commit/") && armed) head = await local.seed(id, folder);
          return fetch(input, init);
        },
      },
    );
    let armed = false;
    await push(await writeFolder("a", series));
    const request = await ask(await writeFolder("b", { ...series, "README.md": "b" }));
    armed = true;
    expect(await thrown(hub.push(request))).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("Somebody else committed"),
    });
    expect(local.head(id)).toBe(head);
  });

  it("who publishes the same files during the upload causes no error", async () => {
    const folder = await writeFolder("b", { ...series, "README.md": "b" });
    let armed = false;
    const { local, ask, hub, push } = await start(
      {},
      {
        fetch: async (input, init) => {
          if (String(input).includes("/commit/") && armed) await local.seed(id, folder);
          return fetch(input, init);
        },
      },
    );
    await push(await writeFolder("a", series));
    const request = await ask(folder);
    armed = true;
    expect((await hub.push(request)).commit).toBe(local.head(id));
  });

  it("who creates the repository first causes a CONFLICT only if it has files", async () => {
    const { local, ask, hub } = await start();
    const request = await ask(await writeFolder("a", series));
    const head = await local.seed(id, await writeFolder("theirs", theirs));
    expect(await thrown(hub.push(request))).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("Somebody else created acme/Tiny-oQ8e"),
    });
    expect(local.head(id)).toBe(head);
  });
});

describe("refuses before any request", () => {
  it.each(["../x", "acme/../x", "acme", "acme/a b", "acme/x--y"])(
    "the repository %j",
    async (repository) => {
      const { hub, requests } = await start();
      const state = {
        exists: false,
        head: null,
        files: new Map(),
        sums: null,
        receipt: null,
        card: null,
      };
      const folder = await writeFolder("a", series);
      const failure = await thrown(
        hub.push({
          repository,
          folder,
          state,
          ...{ expected: new Map(), keep: [] },
          private: false,
          title: "t",
          description: "",
        }),
      );
      expect(failure).toMatchObject({ code: "BAD_INPUT" });
      expect(await thrown(hub.inspect(repository))).toMatchObject({ code: "BAD_INPUT" });
      expect(requests).toHaveLength(0);
    },
  );

  it.each<[string, (folder: string) => Promise<unknown>, string]>([
    ["a link", (folder) => symlink("/etc/hostname", join(folder, "link")), "BAD_INPUT"],
    ["a pipe", async (folder) => execFileSync("mkfifo", [join(folder, "pipe")]), "BAD_INPUT"],
    ["a backslash", (folder) => writeFile(join(folder, "a\\b"), ""), "BAD_INPUT"],
    [
      "a git folder",
      (folder) =>
        mkdir(join(folder, ".git")).then(() => writeFile(join(folder, ".git", "config"), "")),
      "BAD_INPUT",
    ],
    ["nothing", (folder) => rm(join(folder, "x")), "BAD_INPUT"],
    ["no folder", (folder) => rm(folder, { recursive: true }), "DISK"],
  ])("a folder with %s", async (_name, spoil, code) => {
    const { hub, ask, requests } = await start();
    const folder = await writeFolder("a", { x: "x" });
    await spoil(folder);
    const request = await ask(folder);
    const before = requests.length;
    expect(await thrown(hub.push(request))).toMatchObject({ name: "OqeError", code });
    expect(requests).toHaveLength(before);
  });
});

describe("rights", () => {
  const users = {
    hf_acme: { name: "acme", role: "write" },
    hf_reader: { name: "acme", role: "read" },
    hf_other: { name: "other", role: "write" },
  } as const;

  it.each([
    ["hf_reader", "FORBIDDEN"],
    ["hf_other", "FORBIDDEN"],
    ["hf_unknown", "UNAUTHORIZED"],
    [null, "UNAUTHORIZED"],
  ])("%s -> %s, and no repo", async (token, code) => {
    const { local, hub } = await start({ users }, { token });
    const state = {
      exists: false,
      head: null,
      files: new Map(),
      sums: null,
      receipt: null,
      card: null,
    };
    const folder = await writeFolder("a", series);
    const failure = await thrown(
      hub.push({
        repository: id,
        folder,
        state,
        expected: new Map(Object.entries(await hashes(folder))),
        keep: [],
        private: false,
        title: "t",
        description: "",
      }),
    );
    expect(failure).toMatchObject({ code, hint: expect.stringMatching(/token|TOKEN/) });
    if (code === "FORBIDDEN")
      expect(failure).toMatchObject({ hint: expect.stringContaining("write access to acme") });
    expect(local.head(id)).toBeNull();
  });
});
