import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { runCli, tunedRows } from "./support/cli-run.ts";
import { addFile, commit, createRepo } from "./support/local-hub.ts";
import { smallest } from "./support/models.ts";
import { act, events, type Told, workflowScene } from "./support/workflow-scene.ts";

const scene = workflowScene();
const slow = { timeout: 600_000 };

/** One model is rounded in seconds; the other is tuned tier by tier, each in a job of its own. */
const small = `  - base-model: base/small
    name: small
    tiers: [oQ8e]
    method: rounded
    evaluation-samples: 2
    max-kl: 100
`;
const hybrid = `  - base-model: base/hybrid
    name: hybrid
    tiers: oQ6e
    target-bpw: 5.0
    floors: none
    calibration-samples: 4
    calibration-length: 32
    evaluation-samples: 2
    max-kl: 100
`;
const seriesFile = (...models: readonly string[]) =>
  `defaults: { namespace: acme, runner: ubuntu-latest }\nmodels:\n${models.join("")}`;
const tiers = ["small-oQ8e", "hybrid-oQ6e", "hybrid-oQ5.0e"].map((name) => `acme/${name}`);
const heads = () => tiers.map((tier) => scene.hub.head(tier));

const sumsOf = (hub: LocalHub, repository: string) =>
  [...hub.files(repository)].map(([path, { sha256 }]) => `${sha256}  ${path}`).sort();

/** A tag on GitHub. The event has it too; the working tree needs none. */
const pushTag = async (name: string) =>
  scene.github.person("POST", "/git/refs", {
    ref: `refs/tags/${name}`,
    sha: await scene.github.ref("heads/main"),
  });

/** Runs an event that must go well. */
async function well(...[event, more]: Parameters<typeof scene.run>): Promise<Told> {
  const told = await scene.run(event, more);
  expect(told.code, told.output).toBe(0);
  for (const secret of ["hf_tokenOfThisTestOnly", "ghs_tokenOfThisJobOnly"])
    expect(told.output).not.toContain(secret);
  return told;
}

// The tests are one story: each finds what the one before left.
describe.skipIf(act === null && process.env.CI !== "true")("the shipped workflows", () => {
  beforeAll(async () => {
    await scene.hub.seed("base/hybrid", smallest.nemotron_h!);
    await scene.write("series.yml", seriesFile(small, hybrid));
  });

  test("a dry run shows the plan and writes nothing", slow, async () => {
    const { writes, output } = await well(events.dispatch({ "dry-run": "true" }));
    expect(writes).toEqual([]);
    expect(output).toContain("Access");
    expect(output).not.toMatch(/Measure|Tune|Seal/);
  });

  test("token weak: ends in Access, before anything is measured", slow, async () => {
    const { code, output, writes } = await scene.run(events.schedule(), { token: "hf_readOnly" });
    expect(code, output).not.toBe(0);
    expect(output).toMatch(/::error.*may read but not write/);
    expect(output).not.toMatch(/Measure|Tune|Seal/);
    expect(writes).toEqual([]);
    const again = await scene.run(events.schedule(), { token: "hf_readOnly" });
    expect([again.code, again.writes], again.output).toEqual([code, []]);
    const after = await scene.runAfterFailure(events.schedule());
    expect(after.writes).toEqual([
      "POST /repos/acme/series/issues",
      "POST /repos/acme/series/issues",
    ]);
    const issues = await scene.github.person<{ title: string; body: string }[]>("GET", "/issues");
    expect(issues.map(({ title }) => title).sort()).toEqual([
      "oQe series hybrid was not published",
      "oQe series small was not published",
    ]);
    expect(issues[0]!.body).toContain("may read but not write");
    expect((await scene.runAfterFailure(events.schedule())).writes).toEqual([]);
  });

  test("first run: a tag publishes all models, tags them and makes a release", slow, async () => {
    await pushTag("v1.0.0");
    const { output } = await well(events.tag("v1.0.0"));
    for (const tier of tiers)
      expect(scene.hub.files(tier).has("oqe-receipt.json"), output).toBe(true);
    expect(output.match(/Tune oQ/g)!.length).toBeGreaterThan(0);
    expect(output).toMatch(/Tune ahead.*(parts? made|make what is left)/);
    const { assets } = await scene.github.person<{ assets: { name: string }[] }>(
      "GET",
      "/releases/tags/v1.0.0",
    );
    expect(assets.map(({ name }) => name)).toContain("acme.hybrid-oQ5.0e.receipt.json");
    const sums = await readFile(`${scene.attested}/SHA256SUMS`, "utf8");
    expect(sums.match(/^[0-9a-f]{64} {2}acme\/.*\.safetensors$/gm)!.length).toBe(3);
    // The issues of the run before are closed.
    expect(await scene.github.person("GET", "/issues?state=open&labels=oqe")).toEqual([]);
  });

  test.each([
    ["the same tag", () => events.tag("v1.0.0")],
    ["the schedule", () => events.schedule()],
    ["a webhook of the Hub", () => events.relay()],
    ["a run by hand", () => events.dispatch()],
    ["a push of series.yml", () => events.push()],
  ])("unchanged: %s writes nothing on either side", slow, async (_, event) => {
    const before = heads();
    const { writes, output } = await well(event());
    expect(writes, output).toEqual([]);
    expect(heads()).toEqual(before);
  });

  test("a merged card pull request sends its cards to the Hub, once", slow, async () => {
    const before = heads();
    const pulls = await scene.github.person<{ number: number; head: { ref: string } }[]>(
      "GET",
      "/pulls?state=open",
    );
    expect(pulls.map(({ head }) => head.ref).sort()).toEqual([
      "oqe/cards/hybrid",
      "oqe/cards/small",
    ]);
    const { number, head } = pulls.find((pull) => pull.head.ref.endsWith("small"))!;
    const from = await scene.github.ref("heads/main");
    const path = "cards/small/oQ8e.md";
    const proposed = (await scene.github.file(head.ref, path))!;
    const notes = proposed.replace(
      /(<!-- oqe:notes -->)[\s\S]*?(<!-- \/oqe:notes -->)/,
      "$1\nTried on a phone.\n$2",
    );
    expect(notes).not.toBe(proposed);
    await scene.github.person("PUT", `/pulls/${number}/merge`, { merge_method: "merge" });
    const to = await scene.github.personCommits("main", path, notes);
    await scene.checkOut("main", "cards");
    const merge = events.push(from!, to);
    const { writes, output } = await well(merge);
    expect(scene.hub.head(tiers[0]!), output).not.toBe(before[0]);
    expect(heads().slice(1)).toEqual(before.slice(1));
    expect(writes.filter((write) => write.includes("/commit/main"))).toHaveLength(1);
    const card = await fetch(`${scene.hub.url}/${tiers[0]}/raw/main/README.md`);
    expect(await card.text()).toContain("Tried on a phone.");
    expect((await well(merge)).writes).toEqual([]);
    expect((await well(events.schedule())).writes).toEqual([]);
  });

  test("base moved: only the tiers of this base are made again", slow, async () => {
    const before = heads();
    await commit(scene.hub, "base/small", [addFile("notes.txt", "new")], { token: "hf_base" });
    const { output } = await well(events.schedule());
    const after = heads();
    expect(after[0], output).not.toBe(before[0]);
    expect(after.slice(1)).toEqual(before.slice(1));
    expect(output).not.toContain("hybrid/");
    expect((await well(events.schedule())).writes).toEqual([]);
  });

  test("series.yml changed: only the new tier is made", slow, async () => {
    const before = heads();
    const more = small.replace("[oQ8e]", "[oQ8e, oQ4e]");
    await scene.write("series.yml", seriesFile(more, hybrid));
    await well(events.push());
    expect(scene.hub.files("acme/small-oQ4e").has("oqe-receipt.json")).toBe(true);
    expect(heads()).toEqual(before);
  });

  test(
    "a pull request gets one comment with the plan, and a second run writes nothing",
    slow,
    async () => {
      const sha = await scene.github.ref("heads/main");
      await scene.github.person("POST", "/git/refs", { ref: "refs/heads/more", sha });
      await scene.github.personCommits("more", "series.yml", "models: []");
      const pull = { head: "more", base: "main", title: "More" };
      const { number } = await scene.github.person<{ number: number }>("POST", "/pulls", pull);
      await scene.write(
        "series.yml",
        seriesFile(small.replace("[oQ8e]", "[oQ8e, oQ4e, oQ6e]"), hybrid),
      );
      const event = events.pullRequest(number, { ref: "more" });
      const { writes, output } = await well(event);
      expect(writes).toEqual([`POST /repos/acme/series/issues/${number}/comments`]);
      expect(output).not.toMatch(/Access|Measure|Seal|Report/);
      const [comment] = await scene.github.person<{ body: string }[]>(
        "GET",
        `/issues/${number}/comments`,
      );
      expect(comment!.body).toContain("oQ6e");
      expect((await well(event)).writes).toEqual([]);
    },
  );

  test(
    "half-finished: a new run is started, goes on, and makes the tier of a lost job",
    slow,
    async () => {
      // Planned by fixed rules, so that nothing has to be measured within the time.
      const half = hybrid
        .replace("name: hybrid", "name: half\n    namespace: direct\n    policy: oq")
        .replace("    floors: none\n", "");
      const runs = /GET .*\/workflows\/oqe\.yml\/runs/;
      const dispatch = /POST .*\/workflows\/oqe\.yml\/dispatches/;
      scene.github.refuse(runs, { status: 200, body: { total_count: 0, workflow_runs: [] } });
      scene.github.refuse(dispatch, { status: 204, body: null });
      await scene.write("series.yml", seriesFile(`${half}    time-limit: 1s\n`));
      const stopped = await well(events.schedule());
      expect(stopped.writes.filter((write) => dispatch.test(write))).toHaveLength(1);
      const made = ["direct/hybrid-oQ6e", "direct/hybrid-oQ5.0e"];
      for (const tier of made) {
        expect(scene.hub.files(tier).has("oqe-receipt.json")).toBe(false);
        expect(scene.hub.head(tier, "oqe-staging")).not.toBeNull();
      }
      await scene.write("series.yml", seriesFile(half));
      const { code, output } = await scene.run(events.dispatch(), {
        environment: { LOST: "oQ5.0e" },
      });
      // GitHub takes this run for one that went well: act does not know a job's continue-on-error.
      expect(code, output).toBe(1);
      for (const tier of made) {
        expect(scene.hub.files(tier).has("oqe-receipt.json"), output).toBe(true);
        expect(scene.hub.head(tier, "oqe-staging")).toBeNull();
      }
      expect(output.match(/: finished by an earlier run/g)).toHaveLength(1);
      // The bytes are those of one run on one machine.
      const whole = await startLocalHub({ folder: `${scene.scratch}/whole` });
      try {
        await whole.seed("base/hybrid", smallest.nemotron_h!);
        const tiers = ["--tiers", "oQ6e", "--target-bpw", "5.0", "--policy", "oq"];
        const rows = [...tunedRows, "--evaluation-samples", "2", "--max-kl", "100"];
        const undisturbed = await runCli(
          ["publish", "base/hybrid", "--namespace", "direct", ...tiers, ...rows],
          { HF_ENDPOINT: whole.url, HF_TOKEN: "hf_tokenOfThisTestOnly" },
        );
        expect(undisturbed).toMatchObject({ code: 0 });
        for (const tier of made) expect(sumsOf(scene.hub, tier)).toEqual(sumsOf(whole, tier));
      } finally {
        await whole.close();
      }
    },
  );

  test("a measurement that does not fit into its job goes on in the next run", slow, async () => {
    const measured = hybrid
      .replace("name: hybrid", "name: slow\n    namespace: direct")
      .replace("    target-bpw: 5.0\n", "")
      .replace("tiers: oQ6e", "tiers: oQ8e");
    const runs = /GET .*\/workflows\/oqe\.yml\/runs/;
    const dispatch = /POST .*\/workflows\/oqe\.yml\/dispatches/;
    scene.github.refuse(runs, { status: 200, body: { total_count: 0, workflow_runs: [] } });
    scene.github.refuse(dispatch, { status: 204, body: null });
    await scene.write("series.yml", seriesFile(`${measured}    time-limit: 1s\n`));
    const stopped = await well(events.schedule());
    expect(stopped.output).not.toContain("Tune");
    expect(stopped.writes.filter((write) => dispatch.test(write))).toHaveLength(1);
    await scene.write("series.yml", seriesFile(measured));
    await well(events.dispatch());
    expect(scene.hub.files("direct/hybrid-oQ8e").has("oqe-receipt.json")).toBe(true);
  });

  test("without a Hub token the identity of the workflow publishes", slow, async () => {
    const made = "direct/small-oQ8e";
    await createRepo(scene.hub, made, "hf_tokenOfThisTestOnly");
    const keyless = small.replace("name: small", "name: keyless\n    namespace: direct");
    await scene.write(
      "series.yml",
      seriesFile(keyless.replace("method", "collection: false\n    method")),
    );
    const run = { repository: "acme/series", ref: "refs/heads/main", workflow: "oqe.yml" };
    const keylessRun = { token: "", environment: scene.hub.identityOf(run) };
    const { output } = await well(events.schedule(), keylessRun);
    expect(scene.hub.files(made).has("oqe-receipt.json"), output).toBe(true);
    expect(scene.hub.leakedTokens).toBe(0);
    expect(output).not.toMatch(/hf_jwt_\w+/);
    expect((await well(events.schedule(), keylessRun)).writes).toEqual([]);
  });
});
