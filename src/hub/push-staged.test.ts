import { describe, expect, it } from "vitest";
import { sha256 } from "../../test/support/local-hub.ts";
import { commits, id, series, writeFolder } from "../../test/support/push.ts";
import { thrown } from "../../test/support/scripted-server.ts";
import { branch, onDisk, other, shard, startStaging as start } from "../../test/support/staging.ts";
import { readBytes } from "../checkpoint/repository.ts";

describe("sealing what was staged", () => {
  /** Shards staged, and a folder with the small files only. */
  async function prepare() {
    const world = await start();
    const files = [await onDisk(shard), await onDisk(other)];
    const { commit } = await world.stage({ files });
    const small = await writeFolder("small", { "README.md": "# Tiny\n", "config.json": "{}" });
    const known = Object.fromEntries(
      [shard, other].map((path) => {
        const bytes = series[path] as Uint8Array;
        return [path, { bytes: bytes.length, sha256: sha256(bytes) }];
      }),
    );
    const asked = await world.ask(small);
    const hashes = Object.entries(known).map(([path, file]) => [path, file.sha256] as const);
    const expected = new Map([...asked.expected, ...hashes]);
    const request = { ...asked, staged: known, expected };
    return { ...world, commit, request };
  }

  it("publishes them in one commit without sending a byte of them again", async () => {
    const { local, hub, request, count } = await prepare();
    const sent = new Map(local.uploads);
    const puts = count(/^PUT/);
    const result = await hub.push(request);
    expect(result).toMatchObject({ outcome: "published", commit: local.head(id) });
    expect(await commits(local.url)).toEqual(["Publish oQ8e", "initial commit"]);
    expect([...local.files(id).keys()]).toEqual([
      ".gitattributes",
      "README.md",
      "config.json",
      shard,
      other,
    ]);
    expect(local.files(id).get(shard)).toMatchObject({
      sha256: request.staged[shard]!.sha256,
      lfs: true,
    });
    expect(local.uploads).toEqual(sent);
    expect(count(/^PUT/)).toBe(puts);
    const again = { ...request, state: await hub.inspect(id) };
    expect(await hub.push(again)).toMatchObject({ outcome: "unchanged" });
  });

  it("survives a lost answer, and the removal of the branch before and after", async () => {
    const { local, hub, request } = await prepare();
    await hub.removeBranch(id, branch);
    local.faults.push({ match: /\/commit\/main/, times: 1, action: "drop-answer" });
    expect(await hub.push(request)).toMatchObject({ outcome: "published", commit: local.head(id) });
    const content = await hub.open(id);
    expect(await readBytes(content, other)).toEqual(series[other]);
  });

  it("ends with the missing file's name, and main as it was", async () => {
    const { local, hub, request } = await prepare();
    const lost = { bytes: 5, sha256: sha256(Buffer.from("never")) };
    const main = local.head(id);
    const staged = { ...request.staged, "lost.safetensors": lost };
    const expected = new Map([...request.expected, ["lost.safetensors", lost.sha256]]);
    const failure = await thrown(hub.push({ ...request, staged, expected }));
    expect(failure).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("does not have lost.safetensors (5 bytes, sha256"),
    });
    expect(local.head(id)).toBe(main);
  });

  it("refuses a file that is staged and in the folder", async () => {
    const { hub, request, ask } = await prepare();
    const folder = await writeFolder("both", { [shard]: "x" });
    const both = { ...(await ask(folder)), staged: request.staged };
    expect(await thrown(hub.push(both))).toMatchObject({ code: "BAD_INPUT" });
  });
});
