import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { connectForTest, thrown } from "../../test/support/scripted-server.ts";
import { type LocalHubOptions, type SeenRequest, startLocalHub } from "../local-hub/local-hub.ts";
import { receiptPath } from "../receipt/receipt.ts";
import { readFolder } from "./folder.ts";
import type { Hub, PushRequest } from "./hub-types.ts";
import { retryLimits } from "./retry.ts";

const id = "acme/Tiny-oQ8e";
let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "oqe-push-"));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
});

const bytes = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, index) => ((index + seed) * 2654435761) >>> 13);
const series: Record<string, string | Uint8Array> = {
  "README.md": "---\nlibrary_name: mlx\n---\n# Tiny\n",
  "config.json": "{}",
  [receiptPath]: '{"format": 1}',
  "model-00001-of-00002.safetensors": bytes(100_000, 1),
  "model-00002-of-00002.safetensors": bytes(250_001, 2),
  "copy-of-one.safetensors": bytes(100_000, 1),
  "sub/notes.txt": "fine",
  "empty.txt": "",
};

async function writeFolder(
  name: string,
  files: Record<string, string | Uint8Array>,
): Promise<string> {
  const folder = join(scratch, name);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

/** A local Hub with its requests, a client, and a push of a folder after a look at the repo. */
async function start(
  options: Partial<LocalHubOptions> = {},
  client: Parameters<typeof connectForTest>[1] = {},
) {
  const requests: SeenRequest[] = [];
  const local = await startLocalHub({
    folder: join(scratch, "hub"),
    onRequest: (one) => requests.push(one),
    ...options,
  });
  onTestFinished(() => local.close());
  const connected = connectForTest(local.url, client);
  const ask = async (folder: string, hub: Hub = connected.hub): Promise<PushRequest> => ({
    repository: id,
    folder,
    state: await hub.inspect(id),
    expected: {},
    private: false,
    title: "Publish oQ8e",
    description: "all of it",
  });
  return {
    local,
    requests,
    ...connected,
    ask,
    push: async (folder: string) => connected.hub.push(await ask(folder)),
    count: (pattern: RegExp) =>
      requests.filter((one) => pattern.test(`${one.method} ${one.url}`)).length,
  };
}

/** Files of main without the Hub's own. */
function published(local: {
  files(id: string): ReadonlyMap<string, { size: number; sha256: string }>;
}) {
  return Object.fromEntries(
    [...local.files(id)]
      .filter(([path]) => path !== ".gitattributes")
      .map(([path, file]) => [path, file.sha256]),
  );
}

async function hashes(folder: string) {
  return Object.fromEntries(
    (await readFolder(folder, () => {})).map((file) => [file.path, file.sha256]),
  );
}

describe("a push", () => {
  it("makes the repo, uploads every file, moves main in one commit, and confirms it", async () => {
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

  it("of the same folder again changes nothing and says so", async () => {
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

  it("makes a private repo when asked to", async () => {
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
      receipt: null,
    });
    await push(await writeFolder("a", series));
    const state = await hub.inspect(id);
    expect(state).toMatchObject({ exists: true, head: local.head(id), receipt: '{"format": 1}' });
    expect(state.files.get("config.json")).toEqual({ size: 2, sha256: null });
    const shard = "model-00002-of-00002.safetensors";
    expect(state.files.get(shard)).toEqual({
      size: 250_001,
      sha256: local.files(id).get(shard)!.sha256,
    });
  });
});

describe("a push in bad weather", () => {
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
      ? await start({ folder: join(scratch, "hub2") })
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

  it("finds its commit on main when the answer was lost and the Hub then stayed out of reach", async () => {
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

  it("says that a failed first push leaves an empty repo, and the next one fills it", async () => {
    const { local, push } = await start();
    const folder = await writeFolder("a", series);
    local.faults.push({
      match: /\/commit\//,
      times: retryLimits.attempts,
      action: { status: 503 },
    });
    expect(await thrown(push(folder))).toMatchObject({
      code: "NETWORK",
      hint: expect.stringContaining(`${id} was created by this run`),
    });
    expect(published(local)).toEqual({});
    expect((await push(folder)).outcome).toBe("published");
    expect(published(local)).toEqual(await hashes(folder));
  });
});

describe("a Hub that cannot be trusted", () => {
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

  it("and shows the commit a little late is waited for", async () => {
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
    "and answers the commit with %s is asked for main",
    async (answer) => {
      const { local, push } = await start({}, { fetch: altering(/\/commit\//, () => answer) });
      expect((await push(await writeFolder("a", series))).commit).toBe(local.head(id));
    },
  );

  it.each(["<html>", "{}", "null", '{"files": [{}]}', '{"files": []}'])(
    "and answers the preupload with %s",
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

describe("somebody else", () => {
  const theirs = { "README.md": "theirs", "other.txt": "theirs" };

  it("who committed before the push starts is a CONFLICT, and nothing is sent", async () => {
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

  it("who commits during the upload is a CONFLICT, and keeps main", async () => {
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

  it("who publishes the very same files during the upload is no trouble", async () => {
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

  it("who makes the repo first: empty is fine, filled is a CONFLICT", async () => {
    const { local, ask, hub } = await start();
    const request = await ask(await writeFolder("a", series));
    const head = await local.seed(id, await writeFolder("theirs", theirs));
    expect(await thrown(hub.push(request))).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("filled by somebody else"),
    });
    expect(local.head(id)).toBe(head);
  });
});

describe("a folder that is not what its receipt says", () => {
  it.each(["another SHA-256", "another size", "no such file"])(
    "%s: nothing is sent",
    async (what) => {
      const { local, hub, ask } = await start();
      const folder = await writeFolder("a", series);
      const request = await ask(folder, hub);
      const [path] = Object.keys(series);
      const claim = {
        bytes: what === "another size" ? 1 : Buffer.byteLength(series[path as keyof typeof series]),
        sha256: "0".repeat(64),
      };
      const expected = what === "no such file" ? { "absent.json": claim } : { [path!]: claim };
      expect(await thrown(hub.push({ ...request, expected }))).toMatchObject({
        code: "CONFLICT",
        message: expect.stringContaining("receipt"),
      });
      expect(local.head(id)).toBeNull();
    },
  );
});

describe("refused before any request", () => {
  it.each(["../x", "acme/../x", "acme", "acme/a b", "acme/x--y"])(
    "the repository %j",
    async (repository) => {
      const { hub, requests } = await start();
      const state = { exists: false, head: null, files: new Map(), receipt: null };
      const folder = await writeFolder("a", series);
      const failure = await thrown(
        hub.push({
          repository,
          folder,
          state,
          expected: {},
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
    const state = { exists: false, head: null, files: new Map(), receipt: null };
    const folder = await writeFolder("a", series);
    const failure = await thrown(
      hub.push({
        repository: id,
        folder,
        state,
        expected: {},
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

/** Titles of main's commits, as the Hub lists them. */
async function commits(url: string): Promise<string[]> {
  const response = await fetch(`${url}/api/models/${id}/commits/main`);
  return ((await response.json()) as { title: string }[]).map((commit) => commit.title);
}
