import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { engine } from "../src/ground/engine.ts";
import { checkSeries } from "../src/upkeep/check.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";
import { call } from "./support/local-hub.ts";
import { type EventFile, upkeepScene } from "./support/upkeep-scene.ts";

/**
 * Every state of the table in docs/github.md that Check finds, under every event. What the jobs
 * behind it do with its outputs is tested by act.
 */
const scene = upkeepScene();
const good = "hf_tokenOfThisTestOnly";
const repository = { default_branch: "main" };
const [before, after] = ["a".repeat(40), "b".repeat(40)];
const series = (tiers: string) => `
defaults: { namespace: acme, method: rounded, policy: oq, evaluation-samples: 2, verify: false }
models:
  - { base-model: base/tiny, tiers: ${tiers} }
`;
const two = series("[oQ8e, oQ4e]");
const tuned = two.replace("rounded", "tuned, calibration-samples: 4, calibration-length: 32");
const tiers = ["oQ8e", "oQ4e"].map((tier) => `acme/tiny-${tier}`);
let github: GitHubServer;
let pull: EventFile;

beforeAll(async () => {
  github = await GitHubServer.start();
  const sha = await github.ref("heads/main");
  await github.person("POST", "/git/refs", { ref: "refs/heads/more", sha });
  await github.personCommits("more", "series.yml", two);
  const asked = { title: "More", head: "more", base: "main" };
  const made = await github.person<{ number: number; head: { sha: string } }>(
    "POST",
    "/pulls",
    asked,
  );
  const repo = { full_name: github.repository };
  const pull_request = { head: { sha: made.head.sha, repo }, base: { repo } };
  pull = { name: "pull_request", payload: { number: made.number, pull_request } };
});
afterAll(() => github.close());

/** A push to main that changes this file. */
const push = (filename: string) => () => {
  github.refuse(/GET .*\/compare\//, { status: 200, body: { files: [{ filename }] } });
  return { name: "push", payload: { ref: "refs/heads/main", before, after, repository } };
};
/** What each event makes of the tiers that are pending. */
const makes = (pending: readonly string[]) => (pending.length > 0 ? "requantize" : "none");
const events: readonly [string, () => EventFile, (pending: readonly string[]) => string][] = [
  [
    "a tag",
    () => ({
      name: "push",
      payload: { ref: "refs/tags/v1", after, created: true, forced: false, repository },
      variables: { GITHUB_REF: "refs/tags/v1" },
    }),
    () => "release",
  ],
  ["a schedule", () => ({ name: "schedule", payload: { schedule: "17 3 * * 1" } }), makes],
  ["a webhook", () => ({ name: "repository_dispatch", payload: { action: "oqe" } }), makes],
  ["a run by hand", () => ({ name: "workflow_dispatch", payload: { inputs: {} } }), makes],
  ["a push of series.yml", push("series.yml"), makes],
  ["a push of cards", push("cards/tiny/oQ8e.md"), () => "push-cards"],
  ["a pull request", () => pull, () => "comment"],
];

/** All is published, and the cards are merged. */
async function settle(text: string, repositories = tiers): Promise<void> {
  await scene.publish(text);
  await scene.mergeCards("tiny", repositories);
}

interface State {
  readonly name: string;
  /** Brings it about, behind the state before. */
  readonly begin: () => Promise<unknown>;
  readonly text: string;
  readonly pending: readonly string[];
  readonly end: () => Promise<unknown>;
}
const nothing = async () => {};
const states: readonly State[] = [
  {
    name: "first run",
    begin: nothing,
    text: two,
    pending: ["oQ8e", "oQ4e"],
    end: () => settle(two),
  },
  { name: "unchanged", begin: nothing, text: two, pending: [], end: nothing },
  {
    name: "base moved",
    begin: () => scene.put("base/tiny", { "notice.txt": "a new commit" }),
    ...{ text: two, pending: ["oQ8e", "oQ4e"], end: () => settle(two) },
  },
  {
    name: "engine moved",
    begin: async () => {
      const receipt = JSON.parse(await scene.read(tiers[1]!, "oqe-receipt.json"));
      const older = { ...receipt, engine: { ...receipt.engine, recipe: engine.recipe - 1 } };
      const text = `${JSON.stringify(older, null, 2)}\n`;
      await scene.put(tiers[1]!, { "oqe-receipt.json": text });
    },
    ...{ text: two, pending: ["oQ4e"], end: () => settle(two) },
  },
  {
    ...{ name: "series.yml changed", begin: nothing, text: series("[oQ8e, oQ6e, oQ4e]") },
    ...{ pending: ["oQ6e"], end: nothing },
  },
  {
    name: "tier deleted on the Hub",
    begin: () => {
      const json = { type: "model", organization: "acme", name: "tiny-oQ4e" };
      return call(scene.hub, "DELETE /api/repos/delete", { json, token: good });
    },
    ...{ text: two, pending: ["oQ4e"], end: () => settle(two) },
  },
  {
    name: "half-finished",
    begin: () => scene.publish(tuned, { command: "tune" }),
    ...{ text: tuned, pending: ["oQ8e", "oQ4e"], end: nothing },
  },
];

describe.each(states)("$name", ({ name, begin, text, pending, end }) => {
  beforeAll(async () => void (await begin()), 120_000);
  afterAll(async () => void (await end()), 120_000);

  test.each(events)(
    "%s finds what is to be made, and writes nothing to the Hub",
    async (event, make, mode) => {
      const server = { GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository };
      github.refuse(/\/actions\/artifacts/, { status: 200, body: { artifacts: [] } });
      const request = await scene.request(text, make(), { "github-token": tokens.job }, server);
      const { outputs, summary, failure } = await checkSeries(request);
      expect({ failure, mode: outputs.mode }).toEqual({ failure: null, mode: mode(pending) });
      const listed = JSON.parse(outputs.models!) as { pending: string[] }[];
      const makesAny = ["requantize", "release"].includes(outputs.mode!);
      // A tag is put on repositories that have nothing pending, too.
      expect(listed.map((model) => model.pending)).toEqual(makesAny ? [pending] : []);
      expect(outputs["push-cards"]).toBe(event === "a push of cards" ? '["tiny"]' : "[]");
      const looks = event !== "a push of cards";
      const shown = summary.replaceAll("&nbsp;", " ");
      const told = shown.match(/\bto be (made|finished)\b/g) ?? [];
      expect(told).toHaveLength(looks ? pending.length : 0);
      if (looks && name === "half-finished") expect(shown).toContain("to be finished");
      expect(scene.writes()).toEqual([]);
    },
  );
});
