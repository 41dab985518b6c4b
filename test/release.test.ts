import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../src/ground/report.ts";
import { connectHub } from "../src/hub/client.ts";
import { newTraffic } from "../src/hub/traffic.ts";
import { parseInputs } from "../src/inputs/inputs.ts";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { releaseTag } from "../src/upkeep/release.ts";
import type { UpkeepRequest } from "../src/upkeep/upkeep-types.ts";
import { runCli } from "./support/cli-run.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

const token = "hf_tokenOfThisTestOnly";
const inputs = { "base-model": "base/small", namespace: "acme", method: "rounded" };
let hub: LocalHub;
let github: GitHubServer;
let folder: string;
const report = { info: () => {}, warn: () => {} } as unknown as Report;

async function publish(tiers: string) {
  const args = Object.entries({ ...inputs, "base-model": undefined }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  const { code, stderr } = await runCli(
    ["publish", "base/small", ...args, "--tiers", tiers, "--verify", "false"],
    { HF_ENDPOINT: hub.url, HF_TOKEN: token },
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
}

beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({ folder: join(folder, "hub") });
  github = await GitHubServer.start();
  await hub.seed("base/small", smallest.llama!);
  await publish("oQ8e");
}, 120_000);
afterAll(async () => {
  await hub.close();
  await github.close();
  await removeFolder(folder);
});

/** The command on a tag, with the tiers of the only model of the series file. */
async function release(
  tag: string,
  { tiers = "oQ8e", dryRun = false, models = null as readonly string[] | null } = {},
) {
  github.writes = [];
  const values: Record<string, string> = { ...inputs, tiers, "hub-endpoint": hub.url };
  const request = {
    asked: { workDir: join(folder, "work"), githubToken: tokens.job, dryRun, models },
    environment: {
      ...{ GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository },
      GITHUB_REF: `refs/tags/${tag}`,
    },
    file: { models: [{ name: "small" }] },
    inputsOf: () => parseInputs((name) => values[name] ?? "", {}),
    connect: () => connectHub({ endpoint: hub.url, token, report, traffic: newTraffic() }),
    report,
  } as unknown as UpkeepRequest;
  return { ...(await releaseTag(request)), writes: github.writes };
}

const pushTag = async (name: string, sha?: string) =>
  github.person("POST", "/git/refs", {
    ref: `refs/tags/${name}`,
    sha: sha ?? (await github.ref("heads/main")),
  });
interface Release {
  readonly body: string;
  readonly draft: boolean;
  readonly assets: readonly { readonly name: string }[];
}

describe("the release of a tag", { timeout: 120_000 }, () => {
  test("is prepared by a dry run: its files are there to be attested, and nothing is written", async () => {
    await pushTag("v1.0.0");
    const { outputs, writes, summary } = await release("v1.0.0", { dryRun: true });
    expect({ outputs, writes }).toEqual({ outputs: { changed: "true" }, writes: [] });
    expect(summary).toBe("Release v1.0.0: dry run; would be published\n");
    const names = await readdir(join(folder, "work/release"));
    expect(names).toContain("SHA256SUMS");
    const listed = (place: string) => readFile(join(folder, `work/${place}/SHA256SUMS`), "utf8");
    expect(await listed("attest")).toBe(await listed("release"));
    // As often as it is asked, until the release is there.
    expect((await release("v1.0.0", { dryRun: true })).outputs).toEqual({ changed: "true" });
  });

  test("has receipts, pictures and the SHA-256 of all weights", async () => {
    const { outputs, writes, summary } = await release("v1.0.0");
    expect(outputs).toEqual({ changed: "true" });
    expect(summary).toContain("v1.0.0");
    expect(writes.at(-1)).toMatch(/^PATCH .*\/releases\/\d+$/); // published last
    const made = await github.person<Release & Record<string, unknown>>(
      "GET",
      "/releases/tags/v1.0.0",
    );
    expect(made.draft).toBe(false);
    const names = await readdir(join(folder, "work/release"));
    expect(made.assets.map(({ name }) => name).sort()).toEqual(names.sort());
    expect(names).toContain("acme.small-oQ8e.receipt.json");
    const sums = await readFile(join(folder, "work/release/SHA256SUMS"), "utf8");
    const [path, { sha256 }] = [...hub.files("acme/small-oQ8e")].find(([name]) =>
      name.endsWith(".safetensors"),
    )!;
    expect(sums).toBe(`${sha256}  acme/small-oQ8e/${path}\n`);
    expect(made.body).not.toContain("Nothing changed");
  });

  test("a second time writes nothing", async () => {
    const { outputs, writes } = await release("v1.0.0");
    expect({ outputs, writes }).toEqual({ outputs: { changed: "false" }, writes: [] });
    expect((await release("v1.0.0", { dryRun: true })).outputs).toEqual({ changed: "false" });
  });

  test("is not made of other files than those that were attested", async () => {
    await pushTag("v1.2.0");
    expect((await release("v1.2.0", { dryRun: true })).outputs).toEqual({ changed: "true" });
    await publish("oQ4e");
    await expect(release("v1.2.0", { tiers: "oQ8e,oQ4e" })).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("changed while the release v1.2.0 was prepared"),
    });
    expect(github.writes).toEqual([]);
    // What was prepared for another tag says nothing.
    expect((await release("v1.0.0")).outputs).toEqual({ changed: "false" });
  });

  test("of a new tag on the same weights says that nothing changed", async () => {
    await pushTag("v1.0.1");
    expect((await release("v1.0.1")).outputs).toEqual({ changed: "true" });
    const { body } = await github.person<Release & Record<string, unknown>>(
      "GET",
      "/releases/tags/v1.0.1",
    );
    expect(body).toContain("Nothing changed since `v1.0.0`");
    expect((await release("v1.0.1")).writes).toEqual([]);
  });

  test("is refused where the tag has moved", async () => {
    const sha = await github.personCommits("main", "series.yml", "models: []\n");
    await github.person("PATCH", "/git/refs/tags/v1.0.1", { sha, force: true });
    github.writes = [];
    await expect(release("v1.0.1")).rejects.toMatchObject({ code: "CONFLICT" });
    expect(github.writes).toEqual([]);
  });

  test("waits for a model that stopped, and names a tier that is not published", async () => {
    await pushTag("v1.1.0");
    await expect(release("v1.1.0", { tiers: "oQ8e,oQ6e" })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("acme/small-oQ6e"),
    });
    const results = join(folder, "work/results");
    await mkdir(results, { recursive: true });
    const stopped = {
      ...{ format: 1, series: "small", command: "seal", complete: false, base: null },
      ...{ tiers: [], tables: [], failure: null },
    };
    const own = { ...stopped, series: null, command: "release" };
    const cards = { ...stopped, command: "cards" };
    await writeFile(join(results, "oqe-result-@all.json"), JSON.stringify(own));
    await mkdir(join(results, "cards"));
    await writeFile(join(results, "cards/oqe-result-small.json"), JSON.stringify(cards));
    // Results of other jobs, and of an earlier attempt, hold no release up.
    expect((await release("v1.1.0", { dryRun: true })).outputs).toEqual({ changed: "true" });
    await writeFile(join(results, "oqe-result-small.json"), JSON.stringify(stopped));
    const { outputs, summary, writes } = await release("v1.1.0");
    expect({ outputs, writes }).toEqual({ outputs: { changed: "false" }, writes: [] });
    expect(summary).toContain("small is not finished");
    const url = `${hub.url}/acme/small-oQ8e/discussions/1`;
    const row = { tier: "oQ8e", repository: "acme/small-oQ8e", commit: null, url };
    const proposed = { ...stopped, complete: true, tiers: [{ ...row, outcome: "proposed" }] };
    await writeFile(join(results, "oqe-result-small.json"), JSON.stringify(proposed));
    const waiting = await release("v1.1.0");
    expect(waiting.writes).toEqual([]);
    expect(waiting.summary).toContain(`(${url}) waits for a person`);
    expect(waiting.waits).toBe(true);
  });

  test("counts what the jobs of a model left, and not whether one was lost", async () => {
    const results = join(folder, "work/results");
    await rm(results, { recursive: true });
    const asked = { dryRun: true, models: ["small"] };
    const lost = await release("v1.1.0", asked);
    expect(lost).toMatchObject({ outputs: { changed: "false" }, waits: true, failure: null });
    expect(lost.summary).toContain("- small was not made.");
    await mkdir(results, { recursive: true });
    const sealed = {
      ...{ format: 1, series: "small", command: "seal", complete: true, base: null },
      ...{ tiers: [], tables: [], failure: null },
    };
    const write = (result: object) =>
      writeFile(join(results, "oqe-result-small.json"), JSON.stringify(result));
    await write(sealed);
    expect((await release("v1.1.0", asked)).outputs).toEqual({ changed: "true" });
    const failure = { code: "GATE", message: "worse", hint: "" };
    await write({ ...sealed, complete: false, failure });
    expect((await release("v1.1.0", asked)).outputs).toEqual({ changed: "false" });
  });
});
