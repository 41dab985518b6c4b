import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { connectForTest, thrown } from "../../test/support/scripted-server.ts";
import { readBytes, readText } from "../checkpoint/repository.ts";
import {
  type LocalHub,
  type LocalHubOptions,
  type SeenRequest,
  startLocalHub,
} from "../local-hub/local-hub.ts";
import { retryLimits } from "./patience.ts";

const weights = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 2654435761) >>> 11);
let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "oqe-pull-"));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
});

async function writeModel(config: string): Promise<string> {
  const folder = join(scratch, "model");
  await mkdir(join(folder, "sub dir"), { recursive: true });
  await writeFile(join(folder, "config.json"), config);
  await writeFile(join(folder, "model.safetensors"), weights);
  await writeFile(join(folder, "sub dir", "ä #1.txt"), "unusual");
  await writeFile(join(folder, "empty.txt"), "");
  return folder;
}

/** A local Hub with acme/tiny, its requests recorded. */
async function startSeeded(options: Partial<LocalHubOptions> = {}) {
  const requests: SeenRequest[] = [];
  const hub: LocalHub = await startLocalHub({
    folder: join(scratch, "hub"),
    onRequest: (one) => requests.push(one),
    ...options,
  });
  onTestFinished(() => hub.close());
  const commit = await hub.seed("acme/tiny", await writeModel("{}"));
  return {
    hub,
    commit,
    requests,
    count: (pattern: RegExp) =>
      requests.filter((one) => pattern.test(`${one.method} ${one.url}`)).length,
  };
}

describe("opening", () => {
  it("lists one commit, page by page, sorted", async () => {
    const { hub, commit, count } = await startSeeded({ pageSize: 2 });
    const { hub: client } = connectForTest(hub.url);
    const repository = await client.open("acme/tiny");
    expect(repository).toMatchObject({ id: "acme/tiny", name: "tiny", revision: commit });
    const { ".gitattributes": _own, ...files } = Object.fromEntries(repository.files);
    expect(files).toEqual({
      "config.json": 2,
      "empty.txt": 0,
      "model.safetensors": 300_000,
      "sub dir/ä #1.txt": 7,
    });
    expect([...repository.files.keys()]).toEqual([...repository.files.keys()].sort());
    expect(count(/revision\//)).toBe(1);
    expect(count(/tree\//)).toBeGreaterThan(1);
  });

  it("keeps reading its commit while main moves", async () => {
    const { hub, commit } = await startSeeded();
    const { hub: client } = connectForTest(hub.url);
    const before = await client.open("acme/tiny", "main");
    const moved = await hub.seed("acme/tiny", await writeModel('{"new": true}'));
    expect(moved).not.toBe(commit);
    expect(await readText(before, "config.json")).toBe("{}");
    expect(await readText(await client.open("acme/tiny"), "config.json")).toBe('{"new": true}');
    expect(await readText(await client.open("acme/tiny", commit), "config.json")).toBe("{}");
  });

  it.each([
    ["acme/none", undefined, "NOT_FOUND", "acme/none"],
    ["acme/tiny", "v9", "NOT_FOUND", "no revision v9"],
    ["acme/tiny", "0".repeat(40), "NOT_FOUND", "no revision"],
    ["acme/../tiny", undefined, "BAD_INPUT", "acme/../tiny"],
    ["acme/tiny", "a..b", "BAD_INPUT", "a..b"],
  ])("%s@%s is %s", async (id, revision, code, words) => {
    const { hub, requests } = await startSeeded();
    const failure = await thrown(connectForTest(hub.url).hub.open(id, revision));
    expect(failure).toMatchObject({
      name: "OqeError",
      code,
      message: expect.stringContaining(words),
      hint: expect.stringMatching(/\w/),
    });
    if (code === "BAD_INPUT") expect(requests).toHaveLength(0);
  });

  it("distinguishes a wrong token from a missing one", async () => {
    const { hub } = await startSeeded();
    const wrong = await thrown(
      connectForTest(hub.url, { token: "hf_invalidX" }).hub.open("acme/tiny"),
    );
    expect(wrong).toMatchObject({
      code: "UNAUTHORIZED",
      message: expect.stringContaining("does not accept the token"),
    });
    const none = await thrown(connectForTest(hub.url, { token: null }).hub.open("acme/none"));
    expect(none).toMatchObject({
      code: "UNAUTHORIZED",
      message: expect.stringContaining("no token was given"),
    });
    expect((await connectForTest(hub.url, { token: null }).hub.open("acme/tiny")).name).toBe(
      "tiny",
    );
  });

  it("names the terms of a gated model", async () => {
    const gated: Record<string, string[]> = { "acme/tiny": [] };
    const { hub } = await startSeeded({ gated });
    for (const token of [null, "hf_someone"]) {
      const open = async () =>
        readText(await connectForTest(hub.url, { token }).hub.open("acme/tiny"), "config.json");
      const failure = await thrown(open());
      expect(failure).toMatchObject({
        code: "GATED",
        hint: expect.stringContaining(`${hub.url}/acme/tiny`),
      });
    }
    gated["acme/tiny"] = ["local"];
    const repository = await connectForTest(hub.url).hub.open("acme/tiny");
    expect(await readText(repository, "config.json")).toBe("{}");
  });

  it("refuses a file that the commit does not have, without a request", async () => {
    const { hub, requests } = await startSeeded();
    const repository = await connectForTest(hub.url).hub.open("acme/tiny");
    const before = requests.length;
    expect(await thrown(repository.open("tokenizer.json"))).toMatchObject({ code: "MISSING_FILE" });
    expect(requests).toHaveLength(before);
  });
});

describe("reading", () => {
  it("reads any range, from git and from storage", async () => {
    const { hub, count } = await startSeeded();
    const repository = await connectForTest(hub.url).hub.open("acme/tiny");
    const source = await repository.open("model.safetensors");
    for (const [offset, length] of [
      [0, 1],
      [0, 300_000],
      [299_999, 1],
      [1000, 65_537],
      [7, 0],
      [300_000, 0],
    ] as const) {
      expect(
        Buffer.compare(
          await source.read(offset, length),
          weights.subarray(offset, offset + length),
        ),
      ).toBe(0);
    }
    expect(await readText(repository, "sub dir/ä #1.txt")).toBe("unusual");
    expect(await readBytes(repository, "empty.txt")).toHaveLength(0);
    expect(hub.leakedTokens).toBe(0);
    // One resolve for four reads: the storage link is kept.
    expect(count(/GET .*resolve\/\w+\/model.safetensors/)).toBe(1);
  });

  it.each([
    [-1, 2],
    [0, 300_001],
    [300_000, 1],
    [0.5, 1],
    [0, Number.NaN],
  ])("never reads outside the file (%d, %d)", async (offset, length) => {
    const { hub } = await startSeeded();
    const source = await (await connectForTest(hub.url).hub.open("acme/tiny")).open(
      "model.safetensors",
    );
    expect(await thrown(source.read(offset, length))).toMatchObject({ code: "BAD_CHECKPOINT" });
  });

  it.each([
    "reset",
    "truncate",
    "drop-answer",
    { status: 503 },
    { status: 429, headers: { "Retry-After": "3" } },
  ] as const)("survives %j from Hub and storage", async (action) => {
    const { hub } = await startSeeded();
    const { hub: client, waits } = connectForTest(hub.url);
    const source = await (await client.open("acme/tiny")).open("model.safetensors");
    hub.faults.push(
      { match: /resolve/, times: 1, action },
      { match: /^GET \/acme\/tiny\/[0-9a-f]{64}/, times: 2, action },
    );
    expect(Buffer.compare(await source.read(5, 100_000), weights.subarray(5, 100_005))).toBe(0);
    // A redirect has no body to cut, so `truncate` spoils nothing there.
    expect(waits.length).toBe(action === "truncate" ? 2 : 3);
    expect(hub.faults.every((fault) => fault.times === 0)).toBe(true);
    if (typeof action === "object" && action.status === 429)
      expect(waits).toEqual([3000, 3000, 3000]);
  });

  it("asks the Hub again when a storage link has expired", async () => {
    const { hub, count } = await startSeeded();
    const { hub: client, waits } = connectForTest(hub.url);
    const source = await (await client.open("acme/tiny")).open("model.safetensors");
    await source.read(0, 10);
    hub.faults.push({
      match: /^GET \/acme\/tiny\/[0-9a-f]{64}/,
      times: 1,
      action: { status: 403 },
    });
    expect(Buffer.compare(await source.read(100, 10), weights.subarray(100, 110))).toBe(0);
    expect(count(/resolve/)).toBe(2);
    expect(waits).toEqual([]);
  });

  it("gives up on a storage that always refuses", async () => {
    const { hub, count } = await startSeeded();
    const source = await (await connectForTest(hub.url).hub.open("acme/tiny")).open(
      "model.safetensors",
    );
    hub.faults.push({
      match: /^GET \/acme\/tiny\/[0-9a-f]{64}/,
      times: 1000,
      action: { status: 403 },
    });
    expect(await thrown(source.read(0, 10))).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("answers 403"),
    });
    expect(count(/resolve/)).toBe(retryLimits.attempts);
  });
});
