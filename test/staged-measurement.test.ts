import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { evaluatedRows, runCli, runCliAlone } from "./support/cli-run.ts";
import { killedWhen } from "./support/killed-run.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

const slow = { timeout: 600_000 };
const branch = "oqe-staging";
const base = "base/hybrid";
const [first, second] = ["acme/hybrid-oQ6e", "acme/hybrid-oQ4e"];

let folder: string;
/** A Hub whose series was published without a disturbance. */
let whole: LocalHub;
beforeAll(async () => {
  folder = await scratchFolder();
  whole = await startHub("whole");
  const undisturbed = await runCli(argsOf("work-whole"), environmentOf(whole));
  expect(undisturbed.code, undisturbed.stderr).toBe(0);
});
afterAll(async () => {
  await whole.close();
  await removeFolder(folder);
});

async function startHub(name: string, seen: (commit: string) => void = () => {}) {
  const onRequest = ({ method, url }: { method: string; url: string }) => {
    if (method === "POST" && url.endsWith(`/commit/${branch}`)) seen(url);
  };
  const hub = await startLocalHub({ folder: join(folder, name), onRequest });
  await hub.seed(base, smallest.nemotron_h!);
  return hub;
}

const argsOf = (work: string, ...more: string[]) => [
  ...["publish", base, "--namespace", "acme", "--work-dir", join(folder, work)],
  ...["--tiers", "oQ6e,oQ4e", ...evaluatedRows, ...more],
];
const environmentOf = ({ url }: LocalHub) => ({ HF_ENDPOINT: url, HF_TOKEN: "hf_tokenOfTheTest" });

const filesOf = (hub: LocalHub) =>
  Object.fromEntries(
    [first, second].flatMap((repository) =>
      [...hub.files(repository)].map(([path, { sha256 }]) => [`${repository}/${path}`, sha256]),
    ),
  );

test("a measurement that is killed again and again, each time on an empty disk", slow, async () => {
  let commits = 0;
  const hub = await startHub("killed", () => commits++);
  try {
    const has = (file: string) => () =>
      [...hub.files(first, branch).keys()].includes(`oqe-work/${file}`);
    for (const kill of [1, 2]) {
      const target = commits + kill;
      const reached = async () => has("walk.json")() && commits >= target;
      expect(await killedWhen(reached, argsOf(`killed-${kill}`), environmentOf(hub))).toBe(true);
      expect(has("sensitivity.json")()).toBe(false); // it was still measuring
    }
    const done = async () => has("sensitivity.json")();
    expect(await killedWhen(done, argsOf("killed-3"), environmentOf(hub))).toBe(true);
    const measured = await runCli(argsOf("killed-4"), environmentOf(hub));
    expect(measured.code, measured.stderr).toBe(0);
    expect(measured.stderr).toContain(`measured before: on the staging branch of ${first}`);
    expect(filesOf(hub)).toEqual(filesOf(whole));
    for (const repository of [first, second]) expect(hub.head(repository, branch)).toBeNull();
  } finally {
    await hub.close();
  }
});

test("a machine lost between two tiers' commits to main does not measure again", slow, async () => {
  const hub = await startHub("between");
  try {
    const match = new RegExp(`${second}/commit/main`);
    hub.faults.push({ match, times: 100, action: { status: 403 } });
    const failed = await runCli(argsOf("between-1"), environmentOf(hub));
    expect(failed.code).toBe(1);
    expect(hub.head(first, branch)).toBeNull(); // it is published
    hub.faults.length = 0;
    const { code, stderr } = await runCli(argsOf("between-2"), environmentOf(hub));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`measured before: on the staging branch of ${second}`);
    expect(stderr).toContain("finished by an earlier run");
    expect(filesOf(hub)).toEqual(filesOf(whole)); // its card has the figures of the first
  } finally {
    await hub.close();
  }
});

const measuredBefore = (stderr: string) =>
  /an earlier run measured (\d+) blocks/.exec(stderr)?.[1] ?? "none";

test("a job that only measures, without a token, goes on with the branch too", slow, async () => {
  const hub = await startHub("reading");
  try {
    const limited = ["--time-limit", "1s"];
    await runCli(argsOf("reading-1", ...limited), environmentOf(hub));
    const head = hub.head(first, branch);
    const args = argsOf("reading-2", "--until", "measured", ...limited);
    const { code, stderr } = await runCli(args, { HF_ENDPOINT: hub.url });
    expect({ code, before: measuredBefore(stderr), stderr }).toMatchObject({
      code: 4,
      before: "1",
    });
    expect(hub.head(first, branch)).toBe(head);
  } finally {
    await hub.close();
  }
});

test("a measurement whose time is up goes on elsewhere", slow, async () => {
  const hub = await startHub("limited");
  try {
    const stops: string[] = [];
    for (let run = 0; ; run++) {
      expect(run).toBeLessThan(40);
      const args = argsOf(`limited-${run}`, "--time-limit", "1s");
      const { code, stderr } = await runCli(args, environmentOf(hub));
      expect({ code, stderr }).toMatchObject({ code: 4 });
      if (!stderr.includes("while measuring")) break;
      stops.push(measuredBefore(stderr));
    }
    // Each run came further by one block, and the last one had only the head to measure.
    expect(stops.slice(0, 3)).toEqual(["none", "1", "2"]);
    const last = await runCli(argsOf("limited"), environmentOf(hub));
    expect(last.code, last.stderr).toBe(0);
    expect(filesOf(hub)).toEqual(filesOf(whole));
  } finally {
    await hub.close();
  }
});

test(
  "work of a run that has not ended is not taken away by one with other inputs",
  slow,
  async () => {
    const hub = await startHub("shared");
    try {
      let kill = false;
      const alive = killedWhen(async () => kill, argsOf("a"), environmentOf(hub));
      const staged = () => [...hub.files(second, branch).keys()];
      while (!staged().includes("oqe-work/00000.json")) await setTimeout(5);
      const match = new RegExp(`/commit/${branch}$`);
      // So that the first run does not end meanwhile.
      hub.faults.push({ match, times: 1000, action: "silent" });
      const others = argsOf("b").with(-1, "3"); // evaluation-samples
      const refused = await runCliAlone(others, environmentOf(hub));
      kill = true;
      expect(refused).toMatchObject({ code: 1 });
      expect(refused.stderr).toMatch(
        /another run with other inputs works on acme\/hybrid-oQ6e@oqe-staging since .*by local/,
      );
      expect(refused.stderr).not.toContain("Measure"); // it ended in its first seconds
      expect(await alive).toBe(true);
      expect(staged()).toContain("oqe-work/00000.json");
      hub.faults.length = 0;
      // That run has ended. What it measured is of use for this one, its parts are not.
      const taken = await runCliAlone(others, environmentOf(hub));
      expect(taken.code, taken.stderr).toBe(0);
      expect(taken.stderr).toContain(
        "its staging branch has work of another recipe; it is removed",
      );
      expect(taken.stderr).toContain("measured before: on the staging branch");
    } finally {
      await hub.close();
    }
  },
);
