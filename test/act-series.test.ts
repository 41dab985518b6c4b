import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { makeRepository, root, unpackAction } from "./action/checkout.ts";
import { findTool, runAct } from "./action/run.ts";
import { standIns } from "./action/stand-ins.ts";
import { actionScene, token } from "./support/action-scene.ts";
import { evaluatedRows, runCli } from "./support/cli-run.ts";
import { smallest } from "./support/models.ts";

const act = findTool("act");
const scene = actionScene();
const base = "base/hybrid";
const names = ["hybrid-oQ6e", "hybrid-oQ5.0e"];
const repositories = names.map((name) => `acme/${name}`);
const slow = { timeout: 600_000 };

const filesOf = (hub: LocalHub) =>
  Object.fromEntries(
    repositories.flatMap((repository) =>
      [...hub.files(repository)].map(([path, { sha256 }]) => [`${repository}/${path}`, sha256]),
    ),
  );

describe.skipIf(act === null && process.env.CI !== "true")("series.yml, run by act", () => {
  const tag = "v1.2.3";
  const artifacts = () => `${scene.scratch}/artifacts`;
  const seen = () => `${scene.scratch}/outputs.json`;
  let repository: string;

  beforeAll(async () => {
    repository = `${scene.scratch}/repository`;
    await unpackAction(repository, `${scene.scratch}/git-act`);
    const workflows = [".github/workflows/series.yml", "test/action/series.yml"];
    const [reusable, caller] = workflows.map((path) => `${root}${path}`);
    await cp(caller!, `${scene.scratch}/release.yml`);
    await makeRepository(repository, [reusable!, `${scene.scratch}/release.yml`], tag);
    await mkdir(artifacts());
    await scene.hub.seed(base, smallest.nemotron_h!);
  });

  interface Start {
    readonly timeLimit?: string;
    readonly isDry?: boolean;
    readonly namespace?: string;
    /** The tier whose job fails at its start. */
    readonly lost?: string;
  }

  const start = async ({ timeLimit, isDry, namespace, lost }: Start) => {
    if (act === null) throw new Error("act is not installed: run .ci/toolchain actions");
    const run = await runAct(act, scene.scratch, {
      repository,
      workflow: ".github/workflows/release.yml",
      event: "push",
      payload: {
        ref: `refs/tags/${tag}`,
        repository: { full_name: "acme/series", default_branch: "main" },
      },
      variables: {
        ...{ HUB: scene.hub.url, SEEN: seen(), NAMESPACE: namespace ?? "acme" },
        ...{ TIME_LIMIT: timeLimit ?? "1h", DRY_RUN: String(isDry ?? false) },
      },
      environment: { ACTION: scene.action, ARTIFACTS: artifacts(), LOST: lost ?? "none" },
      token,
      local: await standIns(),
    });
    expect(run.output).not.toContain(token);
    return run;
  };

  /** One run of the workflow that succeeds: what it printed, its outputs, outcomes of tiers. */
  const run = async (how: Start) => {
    const { code, output } = await start(how);
    expect(code, output).toBe(0);
    const outputs = JSON.parse(await readFile(seen(), "utf8")) as Record<string, string>;
    const tiers = JSON.parse(outputs.repositories!) as { outcome: string }[];
    return { output, outputs, outcomes: tiers.map(({ outcome }) => outcome) };
  };
  const unfinished = ["unfinished", "unfinished"];
  const others = /Tune|Seal/;

  test("a measurement that does not fit into its job fails", slow, async () => {
    const { code, output } = await start({ timeLimit: "1s" });
    expect(code, output).not.toBe(0);
    expect(output).toContain("::error::measuring did not fit into time-limit");
    expect(output).not.toMatch(others);
    expect(await readdir(artifacts())).toEqual([]);
  });

  test("a dry run measures and writes nothing", slow, async () => {
    scene.writes = [];
    const { output, outputs, outcomes } = await run({ isDry: true });
    expect({ outcomes, ...outputs }).toMatchObject({ outcomes: unfinished, changed: "false" });
    expect(output).not.toMatch(others);
    expect(scene.writes).toEqual([]);
  });

  test("jobs that stop and go on publish the bytes of one undisturbed run", slow, async () => {
    const stopped = await run({ timeLimit: "1s" });
    expect(stopped.outputs).toMatchObject({ complete: "false", changed: "false" });
    expect(stopped.outcomes).toEqual(unfinished);
    for (const repository of repositories) {
      expect([...scene.hub.files(repository).keys()]).toEqual([".gitattributes"]);
      expect(scene.hub.head(repository, "oqe-staging")).not.toBeNull();
    }
    const { output, outputs, outcomes } = await run({});
    expect(outputs).toMatchObject({ complete: "true", changed: "true" });
    expect(outputs.revision).toMatch(/^[0-9a-f]{40}$/);
    expect(outcomes).toEqual(["published", "published"]);
    // Every job takes the sensitivity from the artifact, and the last one makes no tier.
    expect(output.match(/measured before/g)).toHaveLength(4);
    expect(output.match(/: finished by an earlier run/g)).toHaveLength(2);
    const entries = await readdir(artifacts(), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    expect(files).toEqual([expect.stringMatching(/^hybrid-[0-9a-f]{16}\.json$/)]);

    const whole = await startLocalHub({ folder: `${scene.scratch}/whole` });
    try {
      await whole.seed(base, smallest.nemotron_h!);
      const args = ["--namespace", "acme", "--tiers", "oQ6e", "--target-bpw", "5.0"];
      const { code, stderr } = await runCli(["publish", base, ...args, ...evaluatedRows], {
        HF_ENDPOINT: whole.url,
        HF_TOKEN: token,
      });
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(filesOf(scene.hub)).toEqual(filesOf(whole));
      const weights = repositories.flatMap((repository) =>
        [...scene.hub.files(repository)].filter(([path]) => path.endsWith(".safetensors")),
      );
      for (const [, { size, sha256 }] of weights) expect(scene.hub.uploads.get(sha256)).toBe(size);
    } finally {
      await whole.close();
    }
  });

  test("the last job makes the tier whose job was lost", slow, async () => {
    const { code, output } = await start({ namespace: "direct", lost: "oQ5.0e" });
    expect(code, output).toBe(1); // a job failed
    expect(output.match(/: finished by an earlier run/g)).toHaveLength(1);
    for (const name of names) {
      expect(scene.hub.files(`direct/${name}`).has("oqe-receipt.json"), output).toBe(true);
      expect(scene.hub.head(`direct/${name}`, "oqe-staging")).toBeNull();
    }
  });

  test("a run that has nothing to do ends after its first job", slow, async () => {
    scene.writes = [];
    const { output, outputs, outcomes } = await run({});
    expect(outputs).toMatchObject({ complete: "true", changed: "false" });
    expect(outcomes).toEqual(["unchanged", "unchanged"]);
    expect(output).not.toMatch(others);
    expect(scene.writes).toEqual([]);
  });
});
