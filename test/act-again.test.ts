import { beforeAll, describe, expect, test } from "vitest";
import { act, events, workflowScene } from "./support/workflow-scene.ts";

const scene = workflowScene();
const slow = { timeout: 600_000 };

const small = `models:
  - base-model: base/small
    name: small
    namespace: acme
    runner: ubuntu-latest
    tiers: [oQ8e]
    method: rounded
    evaluation-samples: 2
    max-kl: 100
`;
/** Measured and tuned, by jobs of its own. */
const measured = `${small}  - base-model: base/nemotron-nano-tiny
    name: lost
    namespace: direct
    runner: ubuntu-latest
    tiers: [oQ8e]
    calibration-samples: 4
    calibration-length: 32
    evaluation-samples: 2
    max-kl: 100
`;

const issues = (state = "open") =>
  scene.github.person<{ number: number; title: string; body: string }[]>(
    "GET",
    `/issues?state=${state}&labels=oqe`,
  );
const open = "POST /repos/acme/series/issues";
const change = (number: number) => `PATCH /repos/acme/series/issues/${number}`;

/** Runs an event that fails, twice. Gives what the first run wrote; the second writes nothing. */
async function failsTwice(...[event, more]: Parameters<typeof scene.run>) {
  const first = await scene.run(event, more);
  expect(first.code, first.output).not.toBe(0);
  const second = await scene.run(event, more);
  expect(second.code, second.output).not.toBe(0);
  expect(second.writes, second.output).toEqual([]);
  return first;
}

/** The same for one that goes well. */
async function goesWellTwice(...[event, more]: Parameters<typeof scene.run>) {
  const first = await scene.run(event, more);
  expect(first.code, first.output).toBe(0);
  const second = await scene.run(event, more);
  expect(second.code, second.output).toBe(0);
  expect(second.writes, second.output).toEqual([]);
  return first;
}

// The tests are one story: each finds what the one before left.
describe.skipIf(act === null && process.env.CI !== "true")("the shipped workflows", () => {
  beforeAll(() => scene.write("series.yml", small));

  test(
    "series.yml broken: one issue has file, line and key, and a second run is silent",
    slow,
    async () => {
      await scene.write("series.yml", small.replace("tiers", "teirs"));
      const { writes, output } = await failsTwice(events.schedule());
      expect(writes, output).toEqual([open]);
      const [issue, ...more] = await issues();
      expect(more).toEqual([]);
      expect(issue!.title).toBe("oQe series: series.yml cannot be read");
      expect(issue!.body).toContain("series.yml:6: models\\[0\\].teirs: is not a key here");
      expect(issue!.body).toContain("Did you mean tiers?");
      const event = events.pullRequest(1, { ref: "more" });
      const pull = await scene.run(event);
      expect(pull.code).not.toBe(0);
      expect(pull.output).toMatch(/::error file=series\.yml,line=6::/);
      expect(pull.writes).toEqual([]);
    },
  );

  test(
    "attestation failed: there is no release yet, and the run of the tag again attests",
    slow,
    async () => {
      await scene.write("series.yml", small);
      const [unread] = await issues();
      const sha = await scene.github.ref("heads/main");
      await scene.github.person("POST", "/git/refs", { ref: "refs/tags/v1.0.0", sha });
      const tag = events.tag("v1.0.0");
      const failed = await failsTwice(tag, { environment: { ATTEST: "fails" } });
      expect(scene.hub.files("acme/small-oQ8e").has("oqe-receipt.json"), failed.output).toBe(true);
      expect(failed.writes).toContain(change(unread!.number)); // series.yml can be read again
      expect(await scene.github.person("GET", "/releases")).toEqual([]);
      const [issue, ...more] = await issues();
      expect(more).toEqual([]);
      expect(issue!.title).toBe('oQe series: the job "Release" failed');
      expect(issue!.body).toContain("another step failed, such as an attestation");
      const { writes, output } = await goesWellTwice(tag);
      expect(writes, output).toContain("attest SHA256SUMS");
      expect(writes).toContain("attest acme.small-oQ8e.receipt.json");
      expect(writes).toContain("POST /repos/acme/series/releases");
      expect(writes).toContain(change(issue!.number));
      expect(await issues()).toEqual([]);
    },
  );

  test("card pull request closed by a person: it stays closed, run after run", slow, async () => {
    const [pull] = await scene.github.person<{ number: number }[]>("GET", "/pulls?state=open");
    await scene.github.person("PATCH", `/pulls/${pull!.number}`, { state: "closed" });
    const { writes, output } = await goesWellTwice(events.schedule());
    expect(writes, output).toEqual([]);
    expect(await scene.github.person("GET", "/pulls?state=open")).toEqual([]);
  });

  test(
    "card pull requests failed: one issue, closed when the cards can be made",
    slow,
    async () => {
      const path = "cards/small/oQ8e.md";
      const proposed = (await scene.github.file("oqe/cards/small", path))!;
      const bring = async (text: string) => {
        await scene.github.personCommits("main", path, text);
        await scene.checkOut("main", "cards");
      };
      await bring(proposed.replace("<!-- /oqe:notes -->", ""));
      const { writes, output } = await failsTwice(events.schedule());
      expect(writes, output).toEqual([open]);
      const [issue, ...more] = await issues();
      expect(more).toEqual([]);
      expect(issue!.title).toBe("oQe series small: the card pull request failed");
      expect(issue!.body).toContain(path);
      await bring(proposed);
      const repaired = await goesWellTwice(events.schedule());
      expect(repaired.writes, repaired.output).toContain(change(issue!.number));
      expect(await issues()).toEqual([]);
    },
  );

  test(
    "runner of Measure lost: Seal measures, and the next runs find nothing to make",
    slow,
    async () => {
      await scene.write("series.yml", measured);
      const lost = await scene.run(events.dispatch(), { environment: { LOST: "measure" } });
      expect(lost.code, lost.output).not.toBe(0);
      const made = scene.hub.head("direct/nemotron-nano-tiny-oQ8e");
      expect(
        scene.hub.files("direct/nemotron-nano-tiny-oQ8e").has("oqe-receipt.json"),
        lost.output,
      ).toBe(true);
      await goesWellTwice(events.schedule());
      expect(scene.hub.head("direct/nemotron-nano-tiny-oQ8e")).toBe(made);
    },
  );
});
