import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readBytes } from "../src/checkpoint/repository.ts";
import { silentReport } from "../src/ground/report.ts";
import { connectHub } from "../src/hub/client.ts";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { evaluatedRows, runCli, runCliAlone } from "./support/cli-run.ts";
import { killedWhen } from "./support/killed-run.ts";
import { removeFolder, scratchFolder, smallest, tiedMoe } from "./support/models.ts";

/**
 * A series by several jobs, of which one works ahead: `--until ahead` tunes later blocks of all
 * tiers, the jobs of the tiers take them over, and the last one publishes. Whatever is lost, main
 * gets the bytes of one run. Jobs have work folders of their own, as on machines of their own.
 */
const slow = { timeout: 600_000 };
const ahead = "oqe-staging-ahead";
const base = "base/model";
const tiers = ["oQ6e", "oQ4e"];
const repositories = tiers.map((tier) => `acme/model-${tier}`);
const policy = ["--policy", "oq"];

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

async function startHub(name: string, model: string, onRequest: () => void = () => {}) {
  const hub = await startLocalHub({ folder: join(folder, name), onRequest });
  await hub.seed(base, model);
  return hub;
}

/** The jobs of one series, each in a work folder of its own. */
function jobsOn(name: string, hub: LocalHub, flags: readonly string[]) {
  const environment = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_tokenOfTheTest" };
  let folders = 0;
  const args = (until: string, own: readonly string[]) => [
    ...["publish", base, "--namespace", "acme", "--until", until, "--tiers", own.join(",")],
    ...["--work-dir", join(folder, `${name}-work-${folders++}`), ...flags],
  ];
  const run = async (how: typeof runCli, until: string, own: readonly string[] = tiers) => {
    const { code, stderr } = await how(args(until, own), environment);
    expect(code, stderr).toBe(0);
    return stderr;
  };
  return {
    ahead: (how = runCli) => run(how, "ahead"),
    tune: (tier: string, how = runCli) => run(how, "staged", [tier]),
    seal: () => run(runCli, "published"),
    killed: (isReached: () => boolean, until: string, own: readonly string[] = tiers) =>
      killedWhen(async () => isReached(), args(until, own), environment),
  };
}

const filesOf = (hub: LocalHub) =>
  Object.fromEntries(
    repositories.flatMap((repository) =>
      [...hub.files(repository)].map(([path, { sha256 }]) => [`${repository}/${path}`, sha256]),
    ),
  );

function expectSealed(hub: LocalHub, whole: ReturnType<typeof filesOf>): void {
  expect(filesOf(hub)).toEqual(whole);
  for (const repository of repositories)
    for (const branch of ["oqe-staging", ahead]) expect(hub.head(repository, branch)).toBeNull();
}

const count = (logs: readonly string[], what: RegExp) =>
  logs.flatMap((log) => [...log.matchAll(what)]).reduce((sum, [, parts]) => sum + Number(parts), 0);
const made = (...logs: string[]) => count(logs, /(\d+) parts? made$/gm);
const takenOver = (...logs: string[]) => count(logs, /(\d+) parts? taken over/g);

const rows = [...evaluatedRows, ...policy];
/** Enough to fit a gate. */
const gateRows = ["--calibration-samples", "32", "--calibration-length", "64"];
const models: Readonly<Record<string, [model: string, flags: readonly string[]]>> = {
  "a hybrid": [smallest["nemotron_h.latent"]!, rows],
  "a tied table": [tiedMoe, rows],
  "repaired routers": [smallest.nemotron_h!, [...policy, ...gateRows, ...evaluatedRows.slice(4)]],
};

describe.each(Object.entries(models))("%s", (name, [model, flags]) => {
  let whole: ReturnType<typeof filesOf>;
  let parts: number;
  beforeAll(async () => {
    const hub = await startHub(`${name} whole`, model);
    const log = await jobsOn(`${name} whole`, hub, flags).seal();
    whole = filesOf(hub);
    parts = made(log);
    await hub.close();
  });

  test("the job ahead first: every part is made once", slow, async () => {
    const hub = await startHub(`${name} first`, model);
    const jobs = jobsOn(`${name} first`, hub, flags);
    const first = await jobs.ahead();
    expect(made(first)).toBeGreaterThan(2);
    const tuned = [await jobs.tune("oQ6e"), await jobs.tune("oQ4e")];
    expect(takenOver(...tuned), tuned.join("\n")).toBe(made(first));
    expect(made(first, ...tuned)).toBe(parts);
    await jobs.seal();
    expectSealed(hub, whole);
    await hub.close();
  });
});

describe("whatever happens to the job ahead", () => {
  const [model, flags] = models["a hybrid"]!;
  let whole: ReturnType<typeof filesOf>;
  let parts: number;
  beforeAll(async () => {
    const hub = await startHub("lost whole", model);
    parts = made(await jobsOn("lost whole", hub, flags).seal());
    whole = filesOf(hub);
    await hub.close();
  });

  test("three jobs at once", slow, async () => {
    const hub = await startHub("at once", model);
    const jobs = jobsOn("at once", hub, flags);
    const logs = await Promise.all([
      jobs.ahead(runCliAlone),
      ...tiers.map((tier) => jobs.tune(tier, runCliAlone)),
    ]);
    // What is made twice costs time only. A block that a tier's job has, or is at, is left to it.
    const twice = made(...logs) - parts;
    expect(twice).toBeLessThanOrEqual(tiers.length * 2);
    await jobs.seal();
    expectSealed(hub, whole);
    await hub.close();
  });

  test("it is killed, goes on elsewhere, and is lost; a tier's job too", slow, async () => {
    const hub = await startHub("killed", model);
    const jobs = jobsOn("killed", hub, flags);
    const commits = (branch: string) =>
      repositories.map((repository) => hub.files(repository, branch).has("oqe-work/00000.json"));
    expect(await jobs.killed(() => commits(ahead).includes(true), "ahead")).toBe(true);
    const own = () => commits("oqe-staging")[0]!;
    expect(await jobs.killed(own, "staged", ["oQ6e"])).toBe(true);
    const again = await jobs.ahead();
    expect(made(again)).toBeLessThan(parts);
    await jobs.tune("oQ4e");
    await jobs.seal(); // makes what is left of oQ6e, with what was made ahead
    expectSealed(hub, whole);
    await hub.close();
  });

  // The blocks before it were taken over, so the calibration rows have not passed them.
  test("its last part was damaged: that alone is made again", slow, async () => {
    const hub = await startHub("damaged", model);
    const jobs = jobsOn("damaged", hub, flags);
    await jobs.ahead();
    const [repository] = repositories as [string];
    const access = { token: "hf_tokenOfTheTest", report: silentReport };
    const client = connectHub({ endpoint: hub.url, ...access });
    const { content, commit: parent } = (await client.readBranch(repository, ahead))!;
    const path = [...content.files.keys()].filter((one) => /\/\d+\.json$/.test(one)).at(-1)!;
    const text = Buffer.from(await readBytes(content, path)).toString();
    const other = text.replace(
      /"sha256":"./,
      (found) => `"sha256":"${found.endsWith("0") ? 1 : 0}`,
    );
    const files = [{ path, content: new Uint8Array(Buffer.from(other)) }];
    const change = { repository, branch: ahead, private: false, title: "Damage", deleted: [] };
    await client.stage({ ...change, parent, files });
    const log = await jobs.tune("oQ6e");
    expect(log).toContain("head is not what was staged, so it is made here");
    expect(takenOver(log)).toBeGreaterThan(0);
    await jobs.tune("oQ4e");
    await jobs.seal();
    expectSealed(hub, whole);
    await hub.close();
  });

  test("it starts when the tiers are finished: it makes nothing", slow, async () => {
    const hub = await startHub("late", model);
    const jobs = jobsOn("late", hub, flags);
    const tuned = [await jobs.tune("oQ6e"), await jobs.tune("oQ4e")];
    expect(made(...tuned)).toBe(parts);
    expect(await jobs.ahead()).toContain("the jobs of the tiers make what is left");
    for (const repository of repositories) expect(hub.head(repository, ahead)).toBeNull();
    await jobs.seal();
    expectSealed(hub, whole);
    await hub.close();
  });
});

test("blocks that depend on those before them are not made ahead", slow, async () => {
  const hub = await startHub("sequential", smallest.nemotron_h!);
  const jobs = jobsOn("sequential", hub, [...rows, "--propagation", "sequential"]);
  expect(await jobs.ahead()).toContain("nothing can be made ahead");
  await hub.close();
});
