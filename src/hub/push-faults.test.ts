import { beforeEach, describe, expect, it } from "vitest";
import { scratchFolder } from "../../test/support/local-hub.ts";
import {
  commits,
  hashes,
  id,
  published,
  series,
  startPush as start,
  writeFolder,
} from "../../test/support/push.ts";
import { thrown } from "../../test/support/scripted-server.ts";
import { retryLimits } from "./patience.ts";

describe("a push with failing requests", () => {
  const safetensors = /^PUT /;
  it.each<
    [
      string,
      RegExp,
      number,
      "reset" | "drop-answer" | "truncate" | { status: number; headers?: Record<string, string> },
    ]
  >([
    ["uploads reset", safetensors, 3, "reset"],
    ["upload answers lost", safetensors, 2, "drop-answer"],
    ["uploads refused for a while", safetensors, 4, { status: 503 }],
    ["rate limits everywhere", /./, 5, { status: 429, headers: { RateLimit: '"api";r=0;t=9' } }],
    ["server errors everywhere", /./, 5, { status: 500 }],
    ["the answer to create lost", /repos\/create/, 1, "drop-answer"],
    ["the answer to create cut", /repos\/create/, 1, "truncate"],
    ["an expired upload link", safetensors, 1, { status: 403 }],
    ["batch answers lost", /objects\/batch/, 2, "drop-answer"],
    ["listings cut short", /GET .*\/tree\//, 2, "truncate"],
    ["the commit refused for a while", /\/commit\//, 3, { status: 503 }],
    ["the answer to the commit lost", /\/commit\//, 1, "drop-answer"],
    ["the answer to the commit cut", /\/commit\//, 1, "truncate"],
  ])("ends well and with one commit: %s", async (_name, match, times, action) => {
    const { local, push, ask, hub } = await start();
    const folder = await writeFolder("a", series);
    const blank = await push(await writeFolder("blank", { "README.md": "first" }));
    if (/create/.test(match.source)) await local.close();
    const world = /create/.test(match.source)
      ? await start({ folder: await scratchFolder() })
      : { local, ask, hub };
    const request = await world.ask(folder);
    world.local.faults.push({ match, times, action });
    const result = await world.hub.push(request);
    expect(result).toEqual({
      outcome: "published",
      commit: world.local.head(id),
      url: `${world.local.url}/${id}`,
    });
    expect(published(world.local)).toEqual(await hashes(folder));
    expect(world.local.faults[0]!.times).toBe(0);
    const titles = await commits(world.local.url);
    expect(titles.filter((title) => title === "Publish oQ8e")).toHaveLength(
      world.local === local ? 2 : 1,
    );
    expect(result.commit).not.toBe(blank.commit);
  });

  it("finds its commit on main after the answer was lost and the Hub was unreachable", async () => {
    const { local, ask, hub } = await start();
    const folder = await writeFolder("a", series);
    const request = await ask(folder);
    local.faults.push(
      { match: /\/commit\//, times: 1, action: "drop-answer" },
      { match: /\/commit\//, times: 100, action: { status: 503 } },
    );
    expect(await hub.push(request)).toMatchObject({ outcome: "published", commit: local.head(id) });
  });

  it.each<[string, RegExp, { status: number }, string]>([
    ["uploads always fail", /^PUT /, { status: 503 }, "NETWORK"],
    ["uploads are always refused", /^PUT /, { status: 403 }, "NETWORK"],
    ["the batch is refused", /objects\/batch/, { status: 422 }, "NETWORK"],
    ["the commit always fails", /\/commit\//, { status: 503 }, "NETWORK"],
    ["the commit is not allowed", /\/commit\//, { status: 403 }, "FORBIDDEN"],
    ["the commit is not understood", /\/commit\//, { status: 400 }, "NETWORK"],
  ])("leaves main as it was when %s", async (_name, match, action, code) => {
    const { local, push, report, requests } = await start();
    await push(await writeFolder("blank", { "README.md": "first" }));
    const head = local.head(id);
    const before = requests.length;
    local.faults.push({ match, times: 1000, action });
    const failure = await thrown(push(await writeFolder("a", series)));
    expect(failure).toMatchObject({ name: "OqeError", code, hint: expect.stringMatching(/\w/) });
    expect(local.head(id)).toBe(head);
    expect(requests.length - before).toBeLessThan(8 * retryLimits.attempts);
    expect(report.lines.every((line) => !line.includes("\n"))).toBe(true);
  });

  it("reports the empty repository of a failed first push; the next push fills it", async () => {
    const { local, push } = await start();
    const folder = await writeFolder("a", series);
    local.faults.push({
      match: /\/commit\//,
      times: retryLimits.attempts,
      action: { status: 503 },
    });
    expect(await thrown(push(folder))).toMatchObject({
      code: "NETWORK",
      hint: expect.stringContaining(`This run created ${id}`),
    });
    expect(published(local)).toEqual({});
    expect((await push(folder)).outcome).toBe("published");
    expect(published(local)).toEqual(await hashes(folder));
  });
});

describe("a Hub that gives wrong answers", () => {
  /** Lets a test change what the Hub answers to requests that fit. */
  const altering =
    (match: RegExp, alter: (text: string, calls: number) => string): typeof fetch =>
    async (input, init) => {
      const response = await fetch(input, init);
      if (!match.test(`${init?.method ?? "GET"} ${input}`)) return response;
      return new Response(alter(await response.text(), ++calls), {
        status: response.status,
        headers: { "Content-Type": "application/json" },
      });
    };
  let calls = 0;
  beforeEach(() => {
    calls = 0;
  });
  const listing = /GET .*\/tree\//;
  const shard = "model-00002-of-00002.safetensors";

  it.each<
    [
      string,
      (entries: { path: string; size: number; oid: string; lfs?: { oid: string } }[]) => void,
      string,
    ]
  >([
    [
      "another SHA-256",
      (entries) =>
        Object.assign(entries.find((entry) => entry.path === shard)!.lfs!, { oid: "0".repeat(64) }),
      shard,
    ],
    [
      "another size",
      (entries) =>
        Object.assign(entries.find((entry) => entry.path === "config.json")!, { size: 3 }),
      "config.json",
    ],
    [
      "another blob",
      (entries) =>
        Object.assign(entries.find((entry) => entry.path === "sub/notes.txt")!, {
          oid: "0".repeat(40),
        }),
      "sub/notes.txt",
    ],
    [
      "a file less",
      (entries) =>
        entries.splice(
          entries.findIndex((entry) => entry.path === "README.md"),
          1,
        ),
      "README.md is missing",
    ],
    [
      "a file more",
      (entries) =>
        entries.push({ path: "stray.bin", size: 0, oid: "0".repeat(40), ...{ type: "file" } }),
      "stray.bin is not ours",
    ],
  ])("and shows %s after the commit is named with the file", async (_name, alter, words) => {
    let armed = false;
    const { push, ask, hub } = await start(
      {},
      {
        fetch: altering(listing, (text) => {
          const entries = JSON.parse(text);
          if (armed && entries.length > 3) alter(entries);
          return JSON.stringify(entries);
        }),
      },
    );
    await push(await writeFolder("blank", { "README.md": "first" }));
    const request = await ask(await writeFolder("a", series));
    armed = true;
    expect(await thrown(hub.push(request))).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining(words),
    });
  });

  it("is asked again until it shows the commit", async () => {
    let parent = "";
    const { local, push, ask, hub, waits } = await start(
      {},
      {
        fetch: altering(/GET .*\/revision\/main/, (text, nth) =>
          parent !== "" && nth <= 5 ? JSON.stringify({ ...JSON.parse(text), sha: parent }) : text,
        ),
      },
    );
    await push(await writeFolder("blank", { "README.md": "first" }));
    const request = await ask(await writeFolder("a", series));
    parent = local.head(id)!;
    calls = 0;
    expect((await hub.push(request)).commit).toBe(local.head(id));
    expect(waits).toEqual([500, 1000, 2000, 4000]);
  });

  it.each(["<html>", "{}", '{"commitOid": "main"}', "null"])(
    "that answers the commit with %s is asked for main",
    async (answer) => {
      const { local, push } = await start({}, { fetch: altering(/\/commit\//, () => answer) });
      expect((await push(await writeFolder("a", series))).commit).toBe(local.head(id));
    },
  );

  it.each(["<html>", "{}", "null", '{"files": [{}]}', '{"files": []}'])(
    "that answers the preupload with %s is refused",
    async (answer) => {
      const { local, push } = await start({}, { fetch: altering(/\/preupload\//, () => answer) });
      expect(await thrown(push(await writeFolder("a", series)))).toMatchObject({
        name: "OqeError",
        code: "NETWORK",
      });
      expect(published(local)).toEqual({});
    },
  );
});
