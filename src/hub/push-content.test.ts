import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  bytes,
  hashes,
  id,
  published,
  series,
  startPush as start,
  writeFolder,
} from "../../test/support/push.ts";
import { thrown } from "../../test/support/scripted-server.ts";
import { sha256Of, sumsPath, writeSums } from "./sums.ts";

it("shows the SHA-256 of every file that SHA256SUMS lists, as it is on main", async () => {
  const { hub, local } = await start();
  const folder = await writeFolder("a", series);
  const sums = new Map(Object.entries(await hashes(folder)));
  const edited = { ...series, "README.md": "edited", "extra.txt": "theirs" };
  await local.seed(id, await writeFolder("b", { ...edited, [sumsPath]: writeSums(sums) }));
  const state = await hub.inspect(id);
  expect(state.sums).toEqual(sums);
  for (const [path, sha256] of sums)
    expect(state.files.get(path)?.sha256).toBe(path === "README.md" ? sha256Of("edited") : sha256);
  expect(state.files.get("extra.txt")).toEqual({ size: 6, sha256: null });
});

describe("a folder that is not as this run made it", () => {
  it.each<[string, (sums: Map<string, string>) => unknown, string]>([
    ["another file", (sums) => sums.set("README.md", "0".repeat(64)), "README.md"],
    ["no such file", (sums) => sums.set("absent.json", "0".repeat(64)), "absent.json"],
    ["a file more", (sums) => sums.delete("sub/notes.txt"), "sub/notes.txt"],
  ])("%s: nothing is sent", async (_what, change, path) => {
    const { local, hub, ask } = await start();
    const folder = await writeFolder("a", series);
    const request = await ask(folder, hub);
    const expected = new Map(request.expected);
    change(expected);
    expect(await thrown(hub.push({ ...request, expected }))).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining(`${path} is not as this run made it`),
    });
    expect(local.head(id)).toBeNull();
  });

  it.each([
    ["a large one", "model-00002-of-00002.safetensors", bytes(250_001, 9)],
    ["a small one", "README.md", "---\nlibrary_name: mlx\n---\n# Evil\n"],
  ])("%s that changes after it was hashed: main stays as it was", async (_what, path, other) => {
    let folder = "";
    const { local, ask, hub } = await start(
      {},
      {
        fetch: async (input, init) => {
          if (String(input).includes("/preupload/")) await writeFile(join(folder, path), other);
          return fetch(input, init);
        },
      },
    );
    folder = await writeFolder("a", series);
    expect(await thrown(hub.push(await ask(folder)))).toMatchObject({
      code: "CONFLICT",
      message: `${path} was changed while it was published`,
    });
    expect(published(local)).toEqual({});
  });
});

describe("files of others on main", () => {
  const theirs = { ...series, "notes.md": "theirs", "images/a.png": bytes(60_000, 5) };

  it("are kept, with the same push again unchanged", async () => {
    const { local, hub, ask } = await start();
    await local.seed(id, await writeFolder("theirs", theirs));
    const folder = await writeFolder("a", { ...series, "README.md": "---\n---\n# New\n" });
    const keep = ["notes.md", "images/a.png"];
    const result = await hub.push({ ...(await ask(folder)), keep });
    expect(result.outcome).toBe("published");
    const kept = await hashes(await writeFolder("kept", theirs));
    expect(published(local)).toEqual({
      ...(await hashes(folder)),
      ...Object.fromEntries(keep.map((path) => [path, kept[path]])),
    });
    expect((await hub.push({ ...(await ask(folder)), keep })).outcome).toBe("unchanged");
  });

  it("are not replaced by a file of ours", async () => {
    const { local, hub, ask } = await start();
    const head = await local.seed(id, await writeFolder("theirs", theirs));
    const request = await ask(await writeFolder("a", { ...series, "notes.md": "ours" }));
    expect(await thrown(hub.push({ ...request, keep: ["notes.md"] }))).toMatchObject({
      code: "NOT_OURS",
      message: expect.stringContaining("notes.md"),
    });
    expect(local.head(id)).toBe(head);
  });
});
