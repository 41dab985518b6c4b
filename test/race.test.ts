import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { rounded, runCliAlone } from "./support/cli-run.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { hashes, id as pushed, series, startPush, writeFolder } from "./support/push.ts";
import { connectForTest } from "./support/scripted-server.ts";

/** Two runs that publish one tier at the same time. */
describe("two pushes to one repository, the second of which is overtaken", () => {
  const shown = { "README.md": "---\nlibrary_name: mlx\n---\n# Other\n" };

  /** A push in whose midst, before a request that fits, another push does all of its work. */
  async function overtake(before: RegExp, exists: boolean, other: Record<string, string>) {
    let meanwhile: (() => Promise<unknown>) | null = null;
    const world = await startPush(
      {},
      {
        fetch: async (input, init) => {
          if (meanwhile !== null && before.test(`${init?.method ?? "GET"} ${input}`)) {
            const run = meanwhile;
            meanwhile = null;
            await run();
          }
          return fetch(input, init);
        },
      },
    );
    if (exists) await world.push(await writeFolder("first", { "README.md": "first" }));
    const [slow, fast] = [
      await writeFolder("slow", series as Record<string, string>),
      await writeFolder("fast", { ...(series as Record<string, string>), ...other }),
    ];
    const rival = connectForTest(world.local.url).hub;
    const [mine, theirs] = [await world.ask(slow), await world.ask(fast, rival)];
    let won: unknown = null;
    meanwhile = async () => {
      won = await rival.push(theirs);
    };
    const outcome = await world.hub.push(mine).catch((error: unknown) => error);
    expect(won).toMatchObject({ outcome: "published" });
    const titles = await (
      await fetch(`${world.local.url}/api/models/${pushed}/commits/main`)
    ).json();
    const commits = (titles as { title: string }[]).filter(({ title }) => /^Publish/.test(title));
    return { outcome, commits: commits.length - (exists ? 1 : 0), fast, local: world.local };
  }

  const moments: [string, RegExp, boolean][] = [
    ["before it creates the repository", /POST .*repos\/create/, false],
    ["before it asks how to upload", /POST .*preupload/, false],
    ["before it commits to a new repository", /POST .*\/commit\//, false],
    ["before it asks how to upload to an old repository", /POST .*preupload/, true],
    ["before it commits to an old repository", /POST .*\/commit\//, true],
  ];

  test.each(moments)("%s, with the same files: one commit, and no error", async (_, at, exists) => {
    const { outcome, commits, fast, local } = await overtake(at, exists, {});
    expect(outcome).toMatchObject({ commit: local.head(pushed) });
    expect(commits).toBe(1);
    expect(await filesOf(local)).toEqual(await hashes(fast));
  });

  test.each(moments)("%s, with other files: CONFLICT, and theirs stay", async (_, at, exists) => {
    const { outcome, commits, fast, local } = await overtake(at, exists, shown);
    expect(outcome).toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(
        /Somebody else (created|committed to|changed) acme\/Tiny-oQ8e/,
      ),
    });
    expect(commits).toBe(1);
    expect(await filesOf(local)).toEqual(await hashes(fast));
  });

  test("many at once make one commit of the same files, and nothing else", async () => {
    const { local, hub, ask } = await startPush();
    const folder = await writeFolder("all", series as Record<string, string>);
    const request = await ask(folder);
    const pushes = Array.from({ length: 4 }, () => hub.push(request));
    const ended = await Promise.allSettled(pushes);
    for (const one of ended) {
      if (one.status === "fulfilled")
        expect(one.value).toMatchObject({ commit: local.head(pushed) });
      else expect(one.reason).toMatchObject({ code: "CONFLICT" });
    }
    expect(ended.some(({ status }) => status === "fulfilled")).toBe(true);
    expect(await filesOf(local)).toEqual(await hashes(folder));
    expect(await hub.push(await ask(folder))).toMatchObject({ outcome: "unchanged" });
  });
});

async function filesOf(local: LocalHub): Promise<Record<string, string>> {
  const files = [...local.files(pushed)].filter(([path]) => path !== ".gitattributes");
  return Object.fromEntries(files.map(([path, { sha256 }]) => [path, sha256]));
}

describe("two runs of oqe publish", () => {
  let folder: string;
  let hub: LocalHub;
  beforeAll(async () => {
    folder = await scratchFolder();
    hub = await startLocalHub({ folder: `${folder}/hub` });
    await hub.seed("base/tiny", smallest.llama!);
  });
  afterAll(async () => {
    await hub.close();
    await removeFolder(folder);
  });

  const publish = (work: string) =>
    runCliAlone(
      [
        ...["publish", "base/tiny", "--namespace", "acme", "--tiers", "oQ4e", ...rounded],
        ...["--work-dir", `${folder}/${work}`, "--json"],
      ],
      { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_good" },
    );

  async function expectOneCommit(works: readonly string[], says: RegExp): Promise<void> {
    const ended = await Promise.all(works.map(publish));
    const done = ended.filter(({ code }) => code === 0);
    expect(done.length).toBeGreaterThanOrEqual(1);
    for (const { code, stderr } of ended) if (code !== 0) expect(stderr).toMatch(says);
    const answer = await fetch(`${hub.url}/api/models/acme/tiny-oQ4e/commits/main`);
    const commits = (await answer.json()) as { title: string }[];
    expect(commits.filter(({ title }) => title.startsWith("Publish"))).toHaveLength(1);
    const again = await publish(works[0]!);
    expect(JSON.parse(again.stdout).repositories).toMatchObject([{ outcome: "unchanged" }]);
  }

  beforeEach(async () => {
    await fetch(`${hub.url}/api/repos/delete`, {
      method: "DELETE",
      headers: { Authorization: "Bearer hf_good", "Content-Type": "application/json" },
      body: JSON.stringify({ name: "tiny-oQ4e", organization: "acme" }),
    });
  });

  test("in their own folders make one commit; the later one hears of it", async () => {
    await expectOneCommit(["a", "b"], /error: .*acme\/tiny-oQ4e.*\[CONFLICT\]/);
  });

  test("in one folder make one commit; the later one hears who works there", async () => {
    await expectOneCommit(["c", "c"], /error: another run works in .*tiny-oQ4e.*\[CONFLICT\]/);
  });
});
