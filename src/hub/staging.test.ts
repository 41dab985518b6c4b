import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../test/support/local-hub.ts";
import { commits, id, series, writeFolder } from "../../test/support/push.ts";
import { connectForTest, thrown } from "../../test/support/scripted-server.ts";
import {
  branch,
  onDisk,
  other,
  record,
  shard,
  startStaging as start,
} from "../../test/support/staging.ts";
import { readBytes } from "../checkpoint/repository.ts";

describe("staging", () => {
  it("makes repository and branch, and adds files in one commit beside main", async () => {
    const { local, hub, stage, titles } = await start();
    expect(await hub.readBranch(id, branch)).toBeNull();
    const { commit } = await stage();
    expect(commit).toBe(local.head(id, branch));
    expect(await titles()).toEqual(["Block 7", "initial commit"]);
    expect([...local.files(id).keys()]).toEqual([".gitattributes"]);
    expect(await commits(local.url)).toEqual(["initial commit"]);
    const found = await hub.readBranch(id, branch);
    expect(found?.commit).toBe(commit);
    const bytes = series[shard] as Uint8Array;
    expect(found?.files.get(shard)).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
    expect(found?.files.get("progress/record.json")).toMatchObject({ size: 12, sha256: null });
  });

  it("gives its files back, whole and by ranges", async () => {
    const { hub, stage } = await start();
    const { commit } = await stage();
    const bytes = series[shard] as Uint8Array;
    const { content } = (await hub.readBranch(id, branch))!;
    expect(Buffer.from(await readBytes(content, "progress/record.json"))).toEqual(
      Buffer.from(record),
    );
    expect(await (await content.open(shard)).read(777, 1000)).toEqual(bytes.slice(777, 1777));
    const again = await hub.open(id, commit);
    expect(await readBytes(again, shard)).toEqual(bytes);
  });

  it("adds, replaces and removes files on its own head, and sends only what is new", async () => {
    const { local, stage, titles } = await start();
    const { commit } = await stage();
    const next = {
      files: [
        await onDisk(shard),
        await onDisk(other),
        { path: "progress/record.json", content: new Uint8Array(Buffer.from("8")) },
      ],
      deleted: ["absent.json"],
      title: "Block 8",
      parent: commit,
    };
    const second = await stage(next);
    const third = await stage({
      ...next,
      files: [],
      deleted: [shard],
      parent: second.commit,
      title: "Clean",
    });
    expect(local.head(id, branch)).toBe(third.commit);
    expect([...local.files(id, branch).keys()]).toEqual([
      ".gitattributes",
      other,
      "progress/record.json",
    ]);
    expect(await titles()).toEqual(["Clean", "Block 8", "Block 7", "initial commit"]);
    const sent = series[shard] as Uint8Array;
    expect(local.uploads.get(sha256(sent))).toBe(sent.length);
  });

  it.each(["drop-answer", "truncate"] as const)(
    "makes one commit if the answer to it is lost (%s)",
    async (action) => {
      const { local, stage, titles } = await start();
      local.faults.push({ match: /\/commit\//, times: 1, action });
      const { commit } = await stage();
      expect(commit).toBe(local.head(id, branch));
      expect(await titles()).toEqual(["Block 7", "initial commit"]);
    },
  );

  it.each([/repos\/create/, /POST .*\/branch\//, /objects\/batch/])(
    "goes on if the answer to %s is lost",
    async (match) => {
      const { local, stage, titles } = await start();
      local.faults.push({ match, times: 1, action: "drop-answer" });
      expect((await stage()).commit).toBe(local.head(id, branch));
      expect(await titles()).toEqual(["Block 7", "initial commit"]);
    },
  );

  it("makes no second commit if repeated, from the same parent or from the head", async () => {
    const { stage, titles, hub } = await start();
    const { commit } = await stage();
    expect(await stage()).toEqual({ commit });
    expect(await stage({ parent: commit })).toEqual({ commit });
    const next = await stage({ files: [await onDisk(other)], parent: commit, title: "Block 8" });
    expect(await stage({ files: [await onDisk(other)], parent: commit, title: "Block 8" })).toEqual(
      next,
    );
    expect(await titles()).toEqual(["Block 8", "Block 7", "initial commit"]);
    expect((await hub.readBranch(id, branch))?.commit).toBe(next.commit);
  });
});

describe("a staging branch that another run moved", () => {
  it.each(["before", "during"])("%s the upload is a CONFLICT that says who", async (when) => {
    let intrude: (() => Promise<unknown>) | null = null;
    const { local, stage, titles } = await start({
      fetch: async (input, init) => {
        const now = when === "during" ? "/commit/" : "/revision/";
        const run = String(input).includes(now) ? intrude : null;
        if (run !== null) intrude = null;
        await run?.();
        return fetch(input, init);
      },
    });
    const { commit } = await stage();
    const stranger = connectForTest(local.url).hub;
    const theirs = [{ path: "theirs.json", content: record }];
    const base = { repository: id, branch, private: false, deleted: [], parent: commit };
    intrude = () => stranger.stage({ ...base, files: theirs, title: "Theirs" });
    const files = [await onDisk(other)];
    expect(await thrown(stage({ files, parent: commit, title: "Block 8" }))).toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/it was at [0-9a-f]{40} and is at .* \("Theirs" by local\)$/),
    });
    expect(await titles()).toEqual(["Theirs", "Block 7", "initial commit"]);
  });

  it("or made is a CONFLICT, and so is one that is gone", async () => {
    const { stage, hub } = await start();
    const { commit } = await stage();
    const files = [{ path: "mine.json", content: record }];
    expect(await thrown(stage({ files }))).toMatchObject({ code: "CONFLICT" });
    await hub.removeBranch(id, branch);
    expect(await thrown(stage({ files, parent: commit }))).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("is gone"),
    });
  });
});

describe("removing a staging branch", () => {
  it("leaves main, may be repeated, and finds its lost answer", async () => {
    const { local, hub, stage } = await start();
    await stage();
    const main = local.head(id);
    local.faults.push({ match: /^DELETE /, times: 1, action: "drop-answer" });
    await hub.removeBranch(id, branch);
    expect(local.faults[0]!.times).toBe(0);
    await hub.removeBranch(id, branch);
    await hub.removeBranch("acme/absent", branch);
    expect(await hub.readBranch(id, branch)).toBeNull();
    expect(local.head(id)).toBe(main);
  });

  it("says if the token may not", async () => {
    const { local, stage } = await start();
    await stage();
    const reader = connectForTest(local.url, { token: "hf_reader" }).hub;
    expect(await thrown(reader.removeBranch(id, branch))).toMatchObject({ code: "FORBIDDEN" });
    expect(
      await thrown(
        reader.stage({
          repository: id,
          branch,
          private: false,
          files: [],
          deleted: [shard],
          title: "x",
          parent: local.head(id, branch),
        }),
      ),
    ).toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("refuses to stage", () => {
  it.each(["main", "refs/pr/1", "a..b", ""])("to the branch %j", async (name) => {
    const { stage, requests } = await start();
    expect(await thrown(stage({ branch: name }))).toMatchObject({ code: "BAD_INPUT" });
    expect(requests).toHaveLength(0);
  });

  it.each<[string, (file: string) => Promise<void>, string]>([
    ["changed", (file) => writeFile(file, "x".repeat(100_000)), "CONFLICT"],
    ["shorter", (file) => writeFile(file, "x"), "CONFLICT"],
    ["gone", (file) => rm(file), "DISK"],
  ])("a file that is %s", async (_name, spoil, code) => {
    const { stage, first, requests } = await start();
    await spoil((first.files[0] as { file: string }).file);
    expect(await thrown(stage())).toMatchObject({ code });
    expect(requests).toHaveLength(0);
  });
});

it("a large file whose hash is wrong is not sent, and the branch stays as it was", async () => {
  const { local, stage, count } = await start();
  const { commit } = await stage();
  const folder = await writeFolder("work", { [other]: new Uint8Array(20 << 20) });
  const large = { path: other, file: join(folder, other), bytes: 20 << 20, sha256: "0".repeat(64) };
  const puts = count(/^PUT/);
  expect(await thrown(stage({ files: [large], parent: commit }))).toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining(`${other} changed while it was uploaded`),
  });
  expect(count(/^PUT/)).toBe(puts);
  expect(local.head(id, branch)).toBe(commit);
});
