import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { smallest } from "./support/models.ts";
import { act, events, type Told, workflowScene } from "./support/workflow-scene.ts";

const scene = workflowScene();
const slow = { timeout: 600_000 };

/** One model is rounded in seconds; the other is tuned tier by tier, each in a job of its own. */
const seriesFile = `defaults:
  namespace: acme
  runner: ubuntu-latest
models:
  - base-model: base/small
    name: small
    tiers: [oQ8e, oQ4e]
    method: rounded
    evaluation-samples: 2
    max-kl: 100
  - base-model: base/hybrid
    name: hybrid
    tiers: oQ6e
    target-bpw: 5.0
    floors: none
    calibration-samples: 4
    calibration-length: 32
    evaluation-samples: 2
    max-kl: 100
`;
const tiers = ["small-oQ8e", "small-oQ4e", "hybrid-oQ6e", "hybrid-oQ5.0e"].map(
  (name) => `acme/${name}`,
);
const heads = () => tiers.map((tier) => scene.hub.head(tier));

/** A tag on GitHub; the one in the working tree is in the event. */
const pushTag = async (name: string) =>
  scene.github.person("POST", "/git/refs", {
    ref: `refs/tags/${name}`,
    sha: await scene.github.ref("heads/main"),
  });

/** Runs an event that must go well. */
async function well(...[event, more]: Parameters<typeof scene.run>): Promise<Told> {
  const told = await scene.run(event, more);
  expect(told.code, told.output).toBe(0);
  expect(told.output).not.toContain("hf_tokenOfThisTestOnly");
  expect(told.output).not.toContain("ghs_tokenOfThisJobOnly");
  return told;
}

// The tests are one story: each finds what the one before left.
describe.skipIf(act === null && process.env.CI !== "true")("the shipped workflows", () => {
  beforeAll(async () => {
    await scene.hub.seed("base/hybrid", smallest.nemotron_h!);
    await scene.write("series.yml", seriesFile);
  });
  afterAll(() => undefined);

  test("a dry run shows the plan and writes nothing", slow, async () => {
    const { writes, output } = await well(events.dispatch({ "dry-run": "true" }));
    expect(writes).toEqual([]);
    expect(output).toMatch(/small\/Access|Access/);
    expect(output).not.toMatch(/Measure|Tune|Seal/);
  });

  test("first run: a tag publishes all models, tags them and makes a release", slow, async () => {
    await pushTag("v1.0.0");
    const { output } = await well(events.tag("v1.0.0"));
    for (const tier of tiers) {
      expect(scene.hub.files(tier).has("oqe-receipt.json"), output).toBe(true);
    }
    expect(heads()).not.toContain(null);
  });
});
