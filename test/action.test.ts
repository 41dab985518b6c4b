import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./action/checkout.ts";
import { runEntry } from "./action/run.ts";
import { actionScene, base, token, trusting } from "./support/action-scene.ts";
import { createRepo } from "./support/local-hub.ts";
import { smallest } from "./support/models.ts";

/** The Action as users get it: dist/ in the layout of the archive, run as a runner runs it. */
const scene = actionScene();

describe("what a runner downloads", () => {
  test("is the Action without its tests", async () => {
    expect((await readdir(scene.action)).sort()).toEqual([
      ".gitattributes",
      "action.yml",
      "dist",
      "package.json",
    ]);
    const { runs } = parse(await readFile(`${scene.action}/action.yml`, "utf8"));
    expect(await readdir(`${scene.action}/dist`)).toEqual(
      expect.arrayContaining([runs.main.replace("dist/", ""), "worker.js"]),
    );
  });

  test("is small", () => {
    const { stdout } = spawnSync("git", ["archive", "HEAD"], { cwd: root, maxBuffer: 1e9 });
    expect(stdout.length).toBeGreaterThan(0);
    // A runner downloads it compressed. The renderer of pictures is 0.95 MB of it.
    expect(gzipSync(stdout).length).toBeLessThan(4.5e6);
  });
});

describe("dist/action.js", () => {
  const inputs = (more: Record<string, string> = {}) => ({
    "base-model": base,
    namespace: "direct",
    "hub-endpoint": scene.hub.url,
    "hub-token": token,
    tiers: "oQ4e",
    method: "rounded", // act.test.ts has the tuned run
    "evaluation-samples": "2",
    ...more,
  });

  test("a dry run needs no token and writes nothing", async () => {
    scene.writes = [];
    const run = await runEntry(
      scene.action,
      scene.scratch,
      inputs({ "dry-run": "true", "hub-token": "" }),
    );
    expect(run).toMatchObject({ code: 0, outputs: { changed: "false", revision: scene.revision } });
    expect(JSON.parse(run.outputs.repositories!)).toMatchObject([
      { tier: "oQ4e", outcome: "dry-run", commit: null },
    ]);
    expect(run.summary).toContain("**Dry run:** nothing was published.");
    expect(scene.writes).toEqual([]);
  });

  test("prints the token only to mask it", async () => {
    const run = await runEntry(scene.action, scene.scratch, inputs());
    expect(run).toMatchObject({ code: 0, outputs: { changed: "true", revision: scene.revision } });
    expect(scene.hub.head("direct/nemotron-nano-tiny-oQ4e")).not.toBeNull();
    const lines = run.output.split("\n").filter((line) => line.includes(token));
    expect(lines).toEqual([`::add-mask::${token}`]);
    expect(JSON.stringify(run.outputs) + run.summary).not.toContain(token);
    expect(scene.hub.leakedTokens).toBe(0);
  });

  test("without a token publishes by the identity of its workflow, and masks what it gets", async () => {
    const run = { repository: "acme/series", ref: "refs/tags/v1.2.3", workflow: "release.yml" };
    const ask = () =>
      runEntry(scene.action, scene.scratch, inputs({ namespace: "trusting", "hub-token": "" }), {
        ...scene.hub.identityOf(run),
        GITHUB_WORKFLOW_REF: "acme/series/.github/workflows/release.yml@refs/tags/v1.2.3",
      });
    const missing = await ask();
    expect(missing.code).toBe(1);
    expect(missing.output).toContain(`The Hub gives this workflow no token for ${trusting}`);
    expect(missing.output).toContain("workflow release.yml and no branch");
    await createRepo(scene.hub, trusting, token);
    const done = await ask();
    expect(done).toMatchObject({ code: 0, outputs: { changed: "true" } });
    expect(scene.hub.head(trusting, "v1.2.3")).toBe(scene.hub.head(trusting));
    const secrets = [...done.output.matchAll(/^::add-mask::(.+)$/gm)].map(([, secret]) => secret!);
    expect(secrets.filter((secret) => secret.startsWith("hf_jwt_")).length).toBe(1);
    const shown = done.output.replace(/^::add-mask::.*$/gm, "") + JSON.stringify(done.outputs);
    for (const secret of secrets) expect(shown + done.summary).not.toContain(secret);
    expect(scene.hub.leakedTokens).toBe(0);
  });

  test("without a token and without the permission says which line to add", async () => {
    const run = await runEntry(scene.action, scene.scratch, inputs({ "hub-token": "" }));
    expect(run.code).toBe(1);
    expect(run.output).toContain("no Hub token given");
    expect(run.output).toContain("id-token: write");
  });

  test("sets the outputs that action.yml declares", async () => {
    const run = await runEntry(scene.action, scene.scratch, inputs());
    const { outputs } = parse(await readFile(`${root}action.yml`, "utf8"));
    const ofCheck = ["cards", "mode", "models", "push-cards"]; // test/check.test.ts
    const set = [...Object.keys(run.outputs), ...ofCheck];
    expect(set.sort()).toEqual(Object.keys(outputs).sort());
    expect(run.outputs.changed).toBe("false");
  });

  test("takes endpoint and token from HF_ENDPOINT and HF_TOKEN, and a folder as base", async () => {
    const shared = { HF_ENDPOINT: scene.hub.url, HF_TOKEN: token };
    const own = inputs({
      "base-model": smallest.nemotron_h!,
      "hub-endpoint": "",
      "hub-token": "",
      "dry-run": "true",
    });
    const run = await runEntry(scene.action, scene.scratch, own, shared);
    expect(run).toMatchObject({ code: 0, outputs: { changed: "false" } });
    expect(run.output).toContain(`::add-mask::${token}`);
  });

  test.each([
    ["no summary file", () => ""],
    ["a summary file that cannot be written", () => scene.scratch], // a folder
  ])("warns and succeeds where the runner has %s", async (_, path) => {
    const run = await runEntry(scene.action, scene.scratch, inputs(), {
      GITHUB_STEP_SUMMARY: path(),
    });
    expect(run).toMatchObject({ code: 0, outputs: { revision: scene.revision } });
    expect(run.output).toMatch(/^::warning::.*summary/m);
    expect(run.output).not.toContain("::error::");
  });

  test.each([
    [
      "a wrong token",
      { "hub-token": "hf_invalidToken" },
      /does not accept the token.*settings\/tokens.*/,
    ],
    [
      "a read-only token",
      { "hub-token": "hf_readOnly" },
      /may read but not write.*token with write access to direct/,
    ],
    ["no token", { "hub-token": "" }, /no Hub token given.*hub-token, or HF_TOKEN/],
    ["no base model", { "base-model": "" }, /no base model given.*org\/name/],
    ["no namespace", { namespace: "" }, /no namespace given/],
    ["a namespace that climbs", { namespace: "../acme" }, /\.\.\/acme/],
    ["an unknown tier", { tiers: "oQ9e" }, /oQ9e.*oQ8e/],
    ["a base that is not there", { "base-model": "base/nothing" }, /base\/nothing.*Check the name/],
    ["an unknown revision", { revision: "v9" }, /no revision v9/],
    [
      "a switch that is neither true nor false",
      { "dry-run": "maybe" },
      /dry-run: "maybe" is neither true nor false/,
    ],
  ])("%s ends in one line that says what to do", async (_, spoiled, message) => {
    scene.writes = [];
    const { code, output, outputs } = await runEntry(scene.action, scene.scratch, inputs(spoiled));
    const errors = output.split("\n").filter((line) => line.startsWith("::error"));
    expect({ code, errors: errors.length, output }).toMatchObject({ code: 1, errors: 1 });
    expect(errors[0]!.replaceAll("%0A", " ")).toMatch(message);
    expect(output).not.toMatch(/^\s+at /m);
    expect({ writes: scene.writes, outputs }).toEqual({ writes: [], outputs: {} });
  });
});
