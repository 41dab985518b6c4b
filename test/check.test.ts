import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { engine } from "../src/ground/engine.ts";
import type { InputName } from "../src/inputs/input-table.ts";
import { checkSeries } from "../src/upkeep/check.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";
import { seriesOf } from "./support/many-tiers.ts";
import { type EventFile, schedule, upkeepScene } from "./support/upkeep-scene.ts";

const scene = upkeepScene();

const options = "method: rounded, policy: oq, evaluation-samples: 4";
const tiny = `
defaults: { namespace: acme, ${options} }
models:
  - base-model: base/tiny
    tiers: [oQ8e, oQ4e]
    environment: hub
    runner: ubuntu-24.04-arm
`;
const repositories = ["acme/tiny-oQ8e", "acme/tiny-oQ4e"];

type Given = Partial<Record<InputName, string>>;

/** The outputs of the command, parsed; it must write nothing. */
async function check(text: string, event: EventFile = schedule, given: Given = {}) {
  const request = await scene.request(text, event, given);
  const { outputs, summary, failure } = await checkSeries(request);
  expect(scene.writes()).toEqual([]);
  const { mode, ...lists } = outputs;
  const values = Object.entries(lists).map(([name, list]) => [name, JSON.parse(list)]);
  return { mode, ...Object.fromEntries(values), summary, failure, workDir: request.asked.workDir };
}

const nothing = { mode: "none", models: [], cards: [], "push-cards": [], failure: null };

/** Makes what is pending, merges the cards, and checks that the next run has nothing to do. */
async function settle(text = tiny, tiers = repositories) {
  await scene.publish(text);
  await scene.mergeCards("tiny", tiers);
  expect(await check(text)).toMatchObject(nothing);
}

describe("a scheduled check", () => {
  test("of the first run lists every tier; that of the second nothing", async () => {
    const { summary, ...found } = await check(tiny);
    expect(found).toMatchObject({
      ...{ mode: "requantize", cards: ["tiny"], "push-cards": [], failure: null },
      models: [
        {
          ...{ name: "tiny", runner: "ubuntu-24.04-arm", timeout: 350, environment: "hub" },
          pending: ["oQ8e", "oQ4e"],
        },
      ],
    });
    expect(summary).toMatch(
      /\| tiny \| oQ8e \| [\d.]+&nbsp;kB \| 8\.\d\d \| to&nbsp;be&nbsp;made \| not published yet \|/,
    );
    expect(summary).toMatch(
      /- \*\*tiny\*\*: `acme\/tiny-\*`, from \[base\/tiny\]\(.*\) at `[0-9a-f]{12}`\. To make: 2 of 2\. /,
    );
    await settle();
    const second = await check(tiny);
    const told = await readFile(join(second.workDir, "oqe-result-tiny.json"), "utf8");
    expect(JSON.parse(told)).toMatchObject({ command: "check", complete: true, failure: null });
    expect(second.summary).toMatch(/tiny \| oQ4e \| .* \| current \| {2}\|/);
  });

  test("reads no weights", async () => {
    await check(tiny);
    // One request for each file of weights, which takes header and length together.
    const ranges = scene.seen
      .filter(({ url }) => /resolve.*\.safetensors$/.test(url))
      .map(({ headers }) => headers.range);
    expect(ranges).toEqual(["bytes=0-65535"]);
  });

  test("finds a base that moved", async () => {
    const before = scene.hub.head("base/tiny")!.slice(0, 12);
    await scene.put("base/tiny", { "notice.txt": "a new commit" });
    const after = scene.hub.head("base/tiny")!.slice(0, 12);
    const found = await check(tiny);
    expect(found).toMatchObject({ mode: "requantize", models: [{ pending: ["oQ8e", "oQ4e"] }] });
    expect(found.summary).toContain(`| base moved ${before} → ${after} |`);
    await settle();
  });

  test("finds another recipe version, and not another version of the package", async () => {
    const receiptOf = async (change: (engine: Record<string, unknown>) => object) => {
      const receipt = JSON.parse(await scene.read(repositories[1]!, "oqe-receipt.json"));
      const changed = { ...receipt, engine: { ...receipt.engine, ...change(receipt.engine) } };
      return { "oqe-receipt.json": `${JSON.stringify(changed, null, 2)}\n` };
    };
    const other = { version: "0.0.9", kernelSha256: "0".repeat(64) };
    await scene.put(repositories[1]!, await receiptOf(() => other));
    expect((await check(tiny)).models).toEqual([]);
    await scene.put(repositories[1]!, await receiptOf(() => ({ recipe: engine.recipe - 1 })));
    const found = await check(tiny);
    expect(found).toMatchObject({ mode: "requantize", models: [{ pending: ["oQ4e"] }] });
    expect(found.summary).toContain(`| recipe version ${engine.recipe - 1} → ${engine.recipe} |`);
    await settle();
  });

  test("makes a tier no second time that it held back, unless a person asks for it", async () => {
    await scene.put("base/tiny", { "notice.txt": "another commit" });
    const second = repositories[1]!;
    const published = JSON.parse(await scene.read(second, "oqe-receipt.json"));
    const { meanKl, meanKlError } = published.evaluation;
    const stage = async (kl: number) => {
      const evaluation = { ...published.evaluation, meanKl: kl, gates: [] };
      const base = { ...published.base, revision: scene.hub.head("base/tiny")! };
      const text = JSON.stringify({ ...published, base, evaluation });
      await scene.stage(second, { "oqe-work/receipt.json": text });
    };
    await stage(meanKl + 2 * meanKlError);
    expect(await check(tiny)).toMatchObject({ models: [{ pending: ["oQ8e", "oQ4e"] }] });
    await stage(meanKl + 4 * meanKlError);
    const found = await check(tiny);
    expect(found).toMatchObject({ mode: "requantize", models: [{ pending: ["oQ8e"] }] });
    expect(found.summary).toMatch(/oQ4e \| .* \| held back: worse than the published one \| base/);
    const asked = await check(tiny, { name: "workflow_dispatch", payload: { inputs: {} } });
    expect(asked).toMatchObject({ models: [{ pending: ["oQ8e", "oQ4e"] }] });
    await scene.stage(second, { "oqe-work/receipt.json": "{" });
    expect(await check(tiny)).toMatchObject({ models: [{ pending: ["oQ8e", "oQ4e"] }] });
    await settle();
  });

  test("finds what series.yml changed, and names it", async () => {
    const samples = tiny.replace("evaluation-samples: 4", "evaluation-samples: 5");
    expect((await check(samples)).summary).toContain("| evaluation samples 4 → 5 |");
    const rounding = tiny.replace("policy: oq", "policy: oq, rounding: mlx");
    expect((await check(rounding)).summary).toContain("| rounding stored → mlx |");
    const gate = tiny.replace("policy: oq", "policy: oq, max-kl: 0");
    expect((await check(gate)).summary).toMatch(/mean KL is .*; gate max-kl requires at most 0 \|/);
    const more = tiny.replace("[oQ8e, oQ4e]", "[oQ8e, oQ5e]");
    expect(await check(more)).toMatchObject({ models: [{ pending: ["oQ5e"] }] });
    await settle(samples);
    await settle(tiny);
  });

  test("finds a card that its template gives otherwise today, and nothing else to do", async () => {
    const [repository] = repositories;
    const card = await scene.read(repository!, "README.md");
    const old = card.replace(/^# tiny .*$/m, "# An old title");
    expect(old).not.toBe(card);
    await scene.put(repository!, { "README.md": old });
    const found = await check(tiny);
    expect(found).toMatchObject({ mode: "cards", models: [], cards: ["tiny"] });
    expect(found.summary).toMatch(/ oQ8e \| .* \| card&nbsp;only \|/);
    // What people wrote between the markers is no reason.
    const noted = card.replace("<!-- oqe:notes -->\n", "<!-- oqe:notes -->\nOurs.\n");
    expect(noted).not.toBe(card);
    await scene.put(repository!, { "README.md": noted });
    expect(await check(tiny)).toMatchObject(nothing);
    await scene.put(repository!, { "README.md": card });
  });

  test("finds cards that the GitHub repository lacks", async () => {
    await rm(join(scene.workspace, "cards"), { recursive: true });
    expect(await check(tiny)).toMatchObject({ mode: "cards", models: [], cards: ["tiny"] });
    await scene.mergeCards("tiny", repositories);
    expect(await check(tiny)).toMatchObject(nothing);
  });

  test("gives the run that left a sensitivity as a text, as inputs of a workflow are", async () => {
    const github = await GitHubServer.start();
    try {
      const name = "oqe-sensitivity-tiny";
      const workflow_run = { id: 17, repository_id: 1, head_repository_id: 1 };
      const artifact = { name, expired: false, created_at: "2026-11-01T00:00:00Z", workflow_run };
      const body = { total_count: 1, artifacts: [artifact] };
      github.refuse(/^GET .*\/actions\/artifacts\?/, { status: 200, body });
      const more = tiny.replace("[oQ8e, oQ4e]", "[oQ8e, oQ5e]");
      const given = { "github-token": tokens.job };
      const request = await scene.request(more, schedule, given, { GITHUB_API_URL: github.url });
      const { outputs } = await checkSeries(request);
      expect(JSON.parse(outputs.models!)).toMatchObject([{ name: "tiny", earlier: "17" }]);
    } finally {
      await github.close();
    }
  });

  test("finds a tier that an earlier run left on its staging branch", async () => {
    const tuned = tiny
      .replace("method: rounded", "calibration-samples: 4, calibration-length: 32")
      .replace("[oQ8e, oQ4e]", "[oQ6e]");
    await scene.publish(tuned, { command: "tune" });
    const found = await check(tuned);
    expect(found).toMatchObject({ models: [{ pending: ["oQ6e"] }] });
    expect(found.summary).toMatch(/ oQ6e \| .* \| to&nbsp;be&nbsp;finished \| not published yet/);
    await settle(tuned, ["acme/tiny-oQ6e"]);
  });

  test("does not ask again for a tier that waits in a pull request on the Hub", async () => {
    const proposed = tiny
      .replace("oQ8e, oQ4e", "oQ5e")
      .replace("oq,", "oq, hub-pull-request: true,");
    await scene.publish(proposed);
    const found = await check(proposed);
    expect(found).toMatchObject(nothing);
    expect(found.summary).toMatch(
      /tiny \| oQ5e .* \| \[proposed\]\(http.*\) \| waits to be merged \|/,
    );
  });

  test("of a model that fails goes on with the others, and leaves a result for the report", async () => {
    const three = `${tiny}  - base-model: base/gone\n  - base-model: base/other\n    tiers: oQ8e\n`;
    const found = await check(three);
    expect(found).toMatchObject({ mode: "requantize", models: [{ name: "other" }], failure: null });
    expect(found.summary).toMatch(
      /\| gone \| {2}\| {2}\| {2}\| \*\*failed\*\* \| .*base\/gone.* \(series\.yml:8\) \|/,
    );
    expect(scene.lines).toContainEqual(
      expect.stringMatching(/^series\.yml:8 \(gone\): .*base\/gone/),
    );
    const path = join(found.workDir, "oqe-result-gone.json");
    expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({
      ...{ series: "gone", command: "check", failure: { code: "UNAUTHORIZED" } },
    });
    const alone = tiny.replace("base/tiny", "base/gone");
    expect(await check(alone)).toMatchObject({
      models: [],
      failure: {
        code: "UNAUTHORIZED",
        message: expect.stringMatching(/^series\.yml:4 \(gone\): /),
      },
    });
  });
});

describe("a check of a tag", () => {
  const ref = "refs/tags/v1.0.0";
  const tag: EventFile = {
    ...{ name: "push", variables: { GITHUB_REF: ref } },
    payload: { ref, after: "b".repeat(40), created: true, forced: false },
  };

  test("refuses more tiers than a release holds, before it looks at any", async () => {
    await expect(check(seriesOf(999), tag)).rejects.toMatchObject({
      code: "BAD_INPUT",
      message:
        "series.yml has 999 tiers, and a release on GitHub holds the receipts of 998 at most",
    });
    expect(scene.seen).toEqual([]);
    // None of these bases is there, so all are looked at.
    const { failure } = await check(seriesOf(998), tag);
    expect(failure).toMatchObject({ code: "UNAUTHORIZED" });
  });
});
