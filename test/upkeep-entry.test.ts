import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { runEntry } from "./action/run.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";
import { upkeepScene } from "./support/upkeep-scene.ts";

/** The commands of the series file, as a runner runs the Action. */
const scene = upkeepScene();
const secret = "hf_tokenOfThisTestOnly";
const series = `models:
  - base-model: base/tiny
    namespace: acme
    method: rounded
    policy: oq
    verify: false
    tiers: oQ8e
`;

beforeAll(async () => {
  await mkdir(join(scene.folder, "action"), { recursive: true });
  await symlink(inject("bundle"), join(scene.folder, "action/dist"));
  await mkdir(scene.workspace, { recursive: true });
});

async function run(text: string, inputs: Record<string, string>, variables = {}) {
  await writeFile(join(scene.workspace, "series.yml"), text);
  scene.seen = [];
  return runEntry(join(scene.folder, "action"), scene.folder, inputs, {
    ...{ HF_ENDPOINT: scene.hub.url, GITHUB_WORKSPACE: scene.workspace },
    ...{ GITHUB_EVENT_NAME: "schedule", GITHUB_REF: "refs/heads/main" },
    ...variables,
  });
}

describe("the Action with a series file", () => {
  test("checks it, sets its outputs and writes a summary", async () => {
    const { code, output, outputs, summary } = await run(series, { command: "check" });
    expect({ code, output }).toMatchObject({ code: 0 });
    const model = { name: "tiny", runner: "macos-latest", timeout: 350, environment: "" };
    expect({ ...outputs, models: JSON.parse(outputs.models!) }).toMatchObject({
      ...{ mode: "requantize", cards: '["tiny"]', "push-cards": "[]" },
      models: [{ ...model, pending: ["oQ8e"] }],
    });
    expect(summary).toContain("## Check of `series.yml`");
    expect(scene.writes()).toEqual([]);
  });

  test("checks the rights, and never shows the token after it masked it", async () => {
    const inputs = { command: "access", "hub-token": secret, "github-token": "ghs_another" };
    const { code, output } = await run(series, inputs);
    expect({ code, output }).toMatchObject({ code: 0 });
    const rest = output
      .replace(`::add-mask::${secret}\n`, "")
      .replace("::add-mask::ghs_another\n", "");
    expect(rest).not.toMatch(/hf_tokenOf|ghs_another/);
    expect(rest.length).toBe(output.length - secret.length - 2 * "::add-mask::\n".length - 11);
  });

  test("publishes one model of it, and then finds nothing to do", async () => {
    const inputs = { command: "publish", series: "tiny", "hub-token": secret };
    const { code, output, outputs } = await run(series, inputs);
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(outputs).toMatchObject({ changed: "true" });
    expect((await run(series, { command: "check" })).outputs.models).toBe("[]");
  });

  test("on a schedule keeps a better tier, and its result has both; by hand replaces it", async () => {
    const text = series.replace(
      "verify: false\n    tiers: oQ8e",
      "evaluation-samples: 4\n    tiers: oQ4e",
    );
    const work = join(scene.folder, "work");
    const inputs = { command: "publish", series: "tiny", "hub-token": secret, "work-dir": work };
    const tier = "acme/tiny-oQ4e";
    expect(await run(text, inputs)).toMatchObject({ code: 0, outputs: { changed: "true" } });
    const receipt = JSON.parse(await scene.read(tier, "oqe-receipt.json"));
    const evaluation = { ...receipt.evaluation, meanKl: 1e-6, meanKlError: 1e-7, gates: [] };
    const better = `${JSON.stringify({ ...receipt, evaluation }, null, 2)}\n`;
    await scene.put(tier, { "oqe-receipt.json": better });
    await scene.put("base/tiny", { "notice.txt": "a new commit" });
    const head = scene.hub.head(tier);
    const kept = await run(text, inputs);
    expect(kept).toMatchObject({ code: 1, outputs: { changed: "false" } });
    expect(scene.hub.head(tier)).toBe(head);
    const result = JSON.parse(await readFile(join(work, "oqe-result-tiny.json"), "utf8"));
    expect(result).toMatchObject({
      tiers: [{ tier: "oQ4e", outcome: "kept", commit: head }],
      tables: [{ markdown: expect.stringContaining("| Mean KL | 0.00000100 ± 0.00000010 |") }],
      failure: { code: "GATE", message: expect.stringContaining("worse than") },
    });
    const hand = { GITHUB_EVENT_NAME: "workflow_dispatch", GITHUB_ACTOR: "maintainer" };
    const asked = await run(text, inputs, hand);
    expect({ code: asked.code, output: asked.output }).toMatchObject({ code: 0 });
    expect(asked.outputs).toMatchObject({ changed: "true" });
  });

  test.each<[string, string, Record<string, string>, RegExp]>([
    [
      "an unknown key",
      series.replace("tiers", "teirs"),
      { command: "check" },
      /^::error file=series\.yml,line=7::series\.yml:7: models\[0\]\.teirs: is not a key here \[BAD_INPUT\]%0ADid you mean tiers\?/m,
    ],
    [
      "an unknown model",
      series,
      { command: "measure", series: "tny" },
      /^::error::series\.yml has no model "tny" \[BAD_INPUT\]%0ADid you mean tiny\?/m,
    ],
    [
      "an input beside a model",
      series,
      { command: "measure", series: "tiny", method: "tuned", floors: "none" },
      /^::error::floors is given beside series "tiny", whose inputs are at series\.yml:2/m,
    ],
    [
      "an unknown command",
      series,
      { command: "checks" },
      /^::error::command: "checks" is not one of publish, .*%0ADid you mean check\?/m,
    ],
    [
      "another series file",
      series,
      { command: "check", "series-file": "gone.yml" },
      /^::error::gone\.yml: .*%0A`oqe init` writes a first one/m,
    ],
    [
      "no right to write",
      series,
      { command: "access", "hub-token": "hf_reader" },
      /^::error file=series\.yml,line=2::series\.yml:2 \(tiny\): the token of reader may read but not write/m,
    ],
  ])("%s is one annotation, and is in the summary", async (_, text, inputs, message) => {
    const { code, output, summary } = await run(text, inputs);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(message) });
    expect(output.match(/^::error/gm)).toHaveLength(1);
    expect(output).not.toMatch(/^\s+at /m);
    const [, what = ""] = /^::error.*?::.*? (\[[A-Z_]+\])%0A/m.exec(output) ?? [];
    expect(summary).toMatch(/^\*\*Failed\*\*: .+\n\n.+\n$/m);
    expect(summary).toContain(what.replace(/[[\]]/g, "\\$&"));
    expect(summary).not.toContain(inputs["hub-token"] ?? secret);
    expect(scene.writes()).toEqual([]);
  });

  test("reports a series file that it cannot read, in one issue", async () => {
    const github = await GitHubServer.start();
    onTestFinished(() => github.close());
    const inputs = { command: "report", "github-token": tokens.job };
    const place = { GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository };
    for (const writes of [["POST /repos/acme/series/issues"], []]) {
      github.writes = [];
      const { code, output } = await run("models: 3\n", inputs, place);
      expect({ code, output }).toMatchObject({ code: 0 });
      expect(github.writes).toEqual(writes);
    }
    const [issue] = await github.person<{ title: string; body: string }[]>("GET", "/issues");
    expect(issue!.title).toBe("oQe series: series.yml cannot be read");
    expect(issue!.body).toContain("series.yml:1: models: expected a list of models");
  });

  test("a run that the system killed has its failure in the summary, too", async () => {
    const kill = join(scene.folder, "kill.cjs");
    const code = 'if (process.env.OQE_ONE_PROCESS) process.kill(process.pid, "SIGKILL");';
    await writeFile(kill, code);
    const done = await run(series, { command: "check" }, { NODE_OPTIONS: `--require ${kill}` });
    expect(done).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^::error::the system k/),
    });
    expect(done.summary).toMatch(/^\*\*Failed\*\*: the system killed the run .*\\\[MEMORY\\\]$/m);
  });
});
