import { cp } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentReport } from "../src/ground/report.ts";
import { connectHub } from "../src/hub/client.ts";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { evaluatedRows, rounded, runCli } from "./support/cli-run.ts";
import { killedWhen, partsIn } from "./support/killed-run.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

const slow = { timeout: 600_000 };
const branch = "oqe-staging";
const base = "base/hybrid";
const repositories = ["acme/hybrid-oQ6e", "acme/hybrid-oQ4e"];

let folder: string;
/** A Hub whose series was published without a disturbance, and one where runs are killed. */
let whole: LocalHub;
let hub: LocalHub;
/** Commits to the staging branch that the Hub made. */
let staged = 0;

beforeAll(async () => {
  folder = await scratchFolder();
  whole = await startLocalHub({ folder: join(folder, "whole") });
  hub = await startLocalHub({
    folder: join(folder, "hub"),
    onRequest: ({ method, url }) => {
      if (method === "POST" && url.endsWith(`/commit/${branch}`)) staged++;
    },
  });
  for (const one of [whole, hub]) await one.seed(base, smallest["nemotron_h.latent"]!);
  const undisturbed = await runCli(argsOf("work-whole"), environmentOf(whole));
  expect({ code: undisturbed.code, stderr: undisturbed.stderr }).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await whole.close();
  await hub.close();
  await removeFolder(folder);
});

const argsOf = (work: string, ...more: string[]) => [
  ...["publish", base, "--namespace", "acme", "--work-dir", join(folder, work)],
  ...(more.includes("--tiers") ? [] : ["--tiers", "oQ6e,oQ4e"]),
  ...[...evaluatedRows, ...more],
];
const environmentOf = ({ url }: LocalHub) => ({ HF_ENDPOINT: url, HF_TOKEN: "hf_tokenOfTheTest" });

const filesOf = (one: LocalHub) =>
  Object.fromEntries(
    repositories.flatMap((repository) =>
      [...one.files(repository)].map(([path, { sha256 }]) => [`${repository}/${path}`, sha256]),
    ),
  );

test(
  "a run killed again and again, each time on an empty disk, publishes the same bytes",
  slow,
  async () => {
    let kills = 0;
    for (const more of [3, 4, 4]) {
      const target = staged + more;
      const args = argsOf(`work-${kills}`);
      if (!(await killedWhen(async () => staged >= target, args, environmentOf(hub)))) break;
      kills++;
      for (const repository of repositories)
        expect(
          [...hub.files(repository).keys()].filter((path) => path !== ".gitattributes"),
        ).toEqual([]);
    }
    expect(kills).toBeGreaterThanOrEqual(2);
    const { code, stderr } = await runCli(argsOf("work-last"), environmentOf(hub));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain("finished by an earlier run");
    expect(filesOf(hub)).toEqual(filesOf(whole));
    for (const repository of repositories) expect(hub.head(repository, branch)).toBeNull();
  },
);

/** Puts other content at paths of the staging branch of a repository. */
async function change(one: LocalHub, repository: string, files: Record<string, string>) {
  const { HF_ENDPOINT: endpoint, HF_TOKEN: token } = environmentOf(one);
  const client = connectHub({ endpoint, token, report: silentReport });
  const { commit } = (await client.readBranch(repository, branch))!;
  await client.stage({
    ...{ repository, branch, private: false, deleted: [], parent: commit, title: "Damage" },
    files: Object.entries(files).map(([path, text]) => {
      return { path, content: new TextEncoder().encode(text) };
    }),
  });
}

test("a damaged staging branch: the next run publishes the same bytes", slow, async () => {
  const damaged = await startLocalHub({ folder: join(folder, "damaged") });
  try {
    await damaged.seed(base, smallest["nemotron_h.latent"]!);
    const entriesOf = (repository: string) =>
      [...damaged.files(repository, branch).keys()].filter((path) => /\d+\.json$/.test(path));
    const written = { bytes: 1, sha256: "0".repeat(64) };
    const above = { parts: [], shards: { "../../escaped.safetensors": written }, piece: null };
    const stray = { parts: [], shards: {}, piece: { tensors: ["no.such"], file: written } };
    const damages = ['{"parts": [', JSON.stringify(above), JSON.stringify(stray)];
    let made = 0;
    for (const [i, text] of damages.entries()) {
      const before = repositories.map((one) => entriesOf(one).length);
      const grown = async () =>
        repositories.every((one, at) => entriesOf(one).length >= before[at]! + 1);
      if (!(await killedWhen(grown, argsOf(`damaged-${i}`), environmentOf(damaged)))) break;
      for (const one of repositories)
        await change(damaged, one, { [entriesOf(one).at(-1)!]: text });
      made++;
    }
    expect(made).toBeGreaterThan(0);
    const unsealed = await runCli(argsOf("unsealed", "--until", "staged"), environmentOf(damaged));
    expect(unsealed.code, unsealed.stderr).toBe(0);
    await change(damaged, repositories[0]!, { "oqe-work/receipt.json": '{"format": 1}' });
    await change(damaged, repositories[1]!, { "oqe-work/receipt.json": "[".repeat(1e5) });
    const { code, stderr } = await runCli(argsOf("mended"), environmentOf(damaged));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(filesOf(damaged)).toEqual(filesOf(whole));
  } finally {
    await damaged.close();
  }
});

test(
  "jobs share a series: one measures, one each makes a tier, the last one seals",
  slow,
  async () => {
    const shared = await startLocalHub({ folder: join(folder, "shared") });
    try {
      await shared.seed(base, smallest["nemotron_h.latent"]!);
      const run = async (work: string, ...more: string[]) => {
        const { code, stdout, stderr } = await runCli(
          argsOf(work, "--json", ...more),
          environmentOf(shared),
        );
        expect({ code, stderr }).toMatchObject({ code: 0 });
        return JSON.parse(stdout).repositories.map(({ outcome }: { outcome: string }) => outcome);
      };
      const measured = "sensitivities";
      expect(await run("measuring", "--until", "measured")).toEqual(["unfinished", "unfinished"]);
      for (const tier of ["oQ4e", "oQ6e"]) {
        await cp(join(folder, "measuring", measured), join(folder, tier, measured), {
          recursive: true,
        });
        expect(await run(tier, "--tiers", tier, "--until", "staged")).toEqual(["staged"]);
        const main = [...shared.files(`acme/hybrid-${tier}`).keys()];
        expect(main.filter((path) => path !== ".gitattributes")).toEqual([]);
      }
      const sent = new Map(shared.uploads);
      await cp(join(folder, "measuring", measured), join(folder, "sealing", measured), {
        recursive: true,
      });
      expect(await run("sealing")).toEqual(["published", "published"]);
      expect(filesOf(shared)).toEqual(filesOf(whole));
      expect(new Map(shared.uploads)).toEqual(sent); // no weight is sent again
    } finally {
      await shared.close();
    }
  },
);

test("a run stops behind a block when its time is up, and the next one goes on", slow, async () => {
  const limited = await startLocalHub({ folder: join(folder, "limited") });
  try {
    await limited.seed(base, smallest["nemotron_h.latent"]!);
    let stops = 0;
    for (;;) {
      const args = argsOf(`limited-${stops}`, "--json", "--policy", "oq", "--time-limit", "1s");
      const { code, stdout, stderr } = await runCli(args, environmentOf(limited));
      if (code === 0) break;
      expect({ code, stderr }).toMatchObject({
        code: 4,
        stderr: expect.stringContaining("[TIME]"),
      });
      const outcomes = JSON.parse(stdout).repositories.map(
        (one: { outcome: string }) => one.outcome,
      );
      expect(outcomes).toEqual(["unfinished", "unfinished"]);
      expect(++stops).toBeLessThan(40);
    }
    expect(stops).toBeGreaterThan(2);
    const args = argsOf("unlimited", "--policy", "oq");
    expect((await runCli(args, environmentOf(hub))).code).toBe(0);
    expect(filesOf(limited)).toEqual(filesOf(hub));
  } finally {
    await limited.close();
  }
});

test(
  "a rounded tier is made again, but what the storage has of it is not sent again",
  slow,
  async () => {
    const lost = await startLocalHub({ folder: join(folder, "lost") });
    try {
      await lost.seed(base, smallest.nemotron_h!);
      lost.faults.push({ match: /^POST .*\/commit\//, times: 100, action: { status: 403 } });
      const own = (work: string) => [
        ...["publish", base, "--namespace", "acme", "--work-dir", join(folder, work)],
        ...["--tiers", "oQ6e,oQ4e", ...rounded],
      ];
      expect((await runCli(own("rounded-1"), environmentOf(lost))).code).toBe(1);
      const sent = [...lost.uploads];
      expect(sent.length).toBeGreaterThan(0);
      lost.faults.length = 0;
      const { code, stderr } = await runCli(own("rounded-2"), environmentOf(lost));
      expect(code, stderr).toBe(0);
      expect([...lost.uploads]).toEqual(expect.arrayContaining(sent)); // as many bytes of each
      expect(lost.uploads.size).toBeGreaterThan(sent.length); // the second tier
    } finally {
      await lost.close();
    }
  },
);

test("parts that a killed run could not send any more are sent by the next one", slow, async () => {
  const away = await startLocalHub({ folder: join(folder, "away") });
  let commits = 0;
  const back = await startLocalHub({
    folder: join(folder, "back"),
    onRequest: ({ method, url }) => {
      if (method === "POST" && url.endsWith(`/commit/${branch}`)) commits++;
    },
  });
  try {
    for (const one of [away, back]) await one.seed(base, smallest["nemotron_h.latent"]!);
    const args = argsOf("unsent", "--policy", "oq");
    const hasParts = async () => (await partsIn(join(folder, "unsent"))) >= 4;
    expect(await killedWhen(hasParts, args, environmentOf(away))).toBe(true);
    // This Hub has nothing of it. The disk is lost when it has the first commits.
    expect(await killedWhen(async () => commits >= 3, args, environmentOf(back))).toBe(true);
    const last = await runCli(argsOf("unsent-2", "--policy", "oq"), environmentOf(back));
    expect(last).toMatchObject({ code: 0 });
    const [, recalled] = /: (\d+) parts were finished by an earlier run/.exec(last.stderr)!;
    expect(Number(recalled)).toBeGreaterThanOrEqual(4);
  } finally {
    await away.close();
    await back.close();
  }
});
