import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { makeRepository, root, unpackAction } from "./action/checkout.ts";
import { type ActCall, findTool, runAct, runEntry } from "./action/run.ts";
import { embedded, removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { expectTuned } from "./support/tuned-tier.ts";

/**
 * The Action as users get it: from dist/, in the archive's layout, by a runner's protocol, against
 * a Hub over HTTP.
 */
const tiers = ["oQ8e", "oQ6e", "oQ5e", "oQ4e"];
const base = "base/nemotron-nano-tiny";
const token = "hf_tokenOfThisTestOnly";
const inCi = process.env.CI === "true";
const act = findTool("act");
/** Where a user of the example puts the commit of a release. */
const zeros = "0".repeat(40);
const example = ".github/workflows/series-example.yml";

let scratch: string;
let action: string;
let hub: LocalHub;
let revision: string;
let writes: string[] = [];

beforeAll(async () => {
  scratch = await scratchFolder();
  action = `${scratch}/action`;
  await unpackAction(action, `${scratch}/git`);
  hub = await startLocalHub({
    folder: `${scratch}/hub`,
    users: {
      [token]: { name: "robot", organizations: ["acme", "direct"], role: "write" },
      hf_readOnly: { name: "reader", role: "read" },
    },
    onRequest: ({ method, url }) => {
      if (!["GET", "HEAD"].includes(method) && !/validate-yaml|paths-info/.test(url))
        writes.push(`${method} ${url}`);
    },
  });
  revision = await hub.seed(base, embedded);
  await hub.seed("base/small", smallest.llama!);
});

afterAll(async () => {
  await hub?.close();
  await removeFolder(scratch);
});

const repositories = (namespace: string) =>
  tiers.map((tier) => `${namespace}/nemotron-nano-tiny-${tier}`);
const heads = () => repositories("acme").map((repository) => hub.head(repository));

describe("what a runner downloads", () => {
  test("is the Action and nothing that only tests it", async () => {
    expect((await readdir(action)).sort()).toEqual([
      ".gitattributes",
      "action.yml",
      "dist",
      "package.json",
    ]);
    const { runs } = parse(await readFile(`${action}/action.yml`, "utf8"));
    expect(await readdir(`${action}/dist`)).toEqual(
      expect.arrayContaining([runs.main.replace("dist/", ""), "worker.js"]),
    );
  });

  test("is small", () => {
    const { stdout } = spawnSync("git", ["archive", "HEAD"], { cwd: root, maxBuffer: 1e9 });
    expect(stdout.length).toBeGreaterThan(0);
    expect(stdout.length).toBeLessThan(10e6);
  });
});

describe("dist/action.js", () => {
  const inputs = (more: Record<string, string> = {}) => ({
    "base-model": base,
    namespace: "direct",
    "hub-endpoint": hub.url,
    "hub-token": token,
    tiers: "oQ4e",
    method: "rounded", // what act runs is tuned
    "evaluation-samples": "2",
    ...more,
  });

  test("a dry run needs no token and writes nothing", async () => {
    writes = [];
    const run = await runEntry(action, scratch, inputs({ "dry-run": "true", "hub-token": "" }));
    expect(run).toMatchObject({ code: 0, outputs: { changed: "false", revision } });
    expect(JSON.parse(run.outputs.repositories!)).toMatchObject([
      { tier: "oQ4e", outcome: "dry-run", commit: null },
    ]);
    expect(run.summary).toContain("**Dry run:** nothing was published.");
    expect(writes).toEqual([]);
  });

  test("says the token to the runner's mask and to nobody else", async () => {
    const run = await runEntry(action, scratch, inputs());
    expect(run).toMatchObject({ code: 0, outputs: { changed: "true", revision } });
    expect(hub.head("direct/nemotron-nano-tiny-oQ4e")).not.toBeNull();
    const lines = run.output.split("\n").filter((line) => line.includes(token));
    expect(lines).toEqual([`::add-mask::${token}`]);
    expect(JSON.stringify(run.outputs) + run.summary).not.toContain(token);
    expect(hub.leakedTokens).toBe(0);
  });

  test("sets the outputs that action.yml declares", async () => {
    const run = await runEntry(action, scratch, inputs());
    const { outputs } = parse(await readFile(`${root}action.yml`, "utf8"));
    expect(Object.keys(run.outputs).sort()).toEqual(Object.keys(outputs).sort());
    expect(run.outputs.changed).toBe("false");
  });

  test("takes endpoint and token from HF_ENDPOINT and HF_TOKEN, and a folder as base", async () => {
    const shared = { HF_ENDPOINT: hub.url, HF_TOKEN: token };
    const own = inputs({
      "base-model": embedded,
      "hub-endpoint": "",
      "hub-token": "",
      "dry-run": "true",
    });
    const run = await runEntry(action, scratch, own, shared);
    expect(run).toMatchObject({ code: 0, outputs: { changed: "false" } });
    expect(run.output).toContain(`::add-mask::${token}`);
  });

  test("publishes where the runner gives no place for a summary", async () => {
    const run = await runEntry(action, scratch, inputs(), { GITHUB_STEP_SUMMARY: "" });
    expect(run.code).toBe(0);
    expect(run.output).toMatch(/^::warning::.*summary/m);
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
      "a toggle that is neither",
      { "dry-run": "maybe" },
      /dry-run: "maybe" is neither true nor false/,
    ],
  ])("%s ends in one line that says what to do", async (_, spoiled, message) => {
    writes = [];
    const { code, output, outputs } = await runEntry(action, scratch, inputs(spoiled));
    const errors = output.split("\n").filter((line) => line.startsWith("::error"));
    expect({ code, errors: errors.length, output }).toMatchObject({ code: 1, errors: 1 });
    expect(errors[0]!.replaceAll("%0A", " ")).toMatch(message);
    expect(output).not.toMatch(/^\s+at /m);
    expect({ writes, outputs }).toEqual({ writes: [], outputs: {} });
  });
});

// One job after the other on one Hub: the second meets what the first left.
describe.skipIf(act === null && !inCi)(
  "run by act in host mode (no act? .ci/toolchain actions)",
  () => {
    const tag = "v1.2.3";
    const pushed = {
      ref: `refs/tags/${tag}`,
      repository: { full_name: "acme/series", default_branch: "main" },
    };
    const seen = () => `${scratch}/seen`;
    let repository: string;

    beforeAll(async () => {
      repository = `${scratch}/repository`;
      await unpackAction(repository, `${scratch}/git-act`);
      await makeRepository(repository, `${root}test/action/release.yml`, tag);
      await mkdir(seen());
    });

    const run = (more: Partial<ActCall> = {}) => {
      if (act === null) throw new Error("act is not installed: run .ci/toolchain actions");
      return runAct(act, scratch, {
        repository,
        workflow: ".github/workflows/release.yml",
        event: "push",
        payload: pushed,
        variables: { HUB: hub.url, SEEN: seen() },
        token,
        ...more,
      });
    };
    const handedOn = async () => ({
      repositories: JSON.parse(await readFile(`${seen()}/REPOSITORIES`, "utf8")),
      changed: await readFile(`${seen()}/CHANGED`, "utf8"),
      revision: await readFile(`${seen()}/REVISION`, "utf8"),
    });

    test("a tag push publishes the series", { timeout: 600_000 }, async () => {
      const { code, output } = await run();
      expect(code, output).toBe(0);
      for (const repository of repositories("acme")) {
        const files = [...hub.files(repository).keys()];
        expect(files).toEqual(
          expect.arrayContaining([
            "README.md",
            "oqe-receipt.json",
            "config.json",
            "tokenizer.json",
          ]),
        );
        expect(files.some((path) => path.endsWith(".safetensors"))).toBe(true);
        await expectTuned(`${scratch}/hub/${repository}`, {
          samples: 128,
          length: 256,
          evaluation: 18,
        });
        const commits = await fetch(`${hub.url}/api/models/${repository}/commits/main`);
        const [commit, ...earlier] = (await commits.json()) as {
          id: string;
          title: string;
          message: string;
        }[];
        expect(commit).toMatchObject({
          id: hub.head(repository),
          title: expect.stringContaining("nemotron-nano-tiny"),
        });
        expect(commit!.message).toContain(`tag ${tag} of acme/series`);
        expect(earlier.length).toBeLessThanOrEqual(1); // the Hub's own, which made the repository
      }
      const rows = repositories("acme").map((repository, k) => ({
        tier: tiers[k],
        repository,
        outcome: "published",
        commit: hub.head(repository),
        url: `${hub.url}/${repository}`,
      }));
      expect(await handedOn()).toMatchObject({ changed: "true", revision, repositories: rows });
      expect(output).toContain("| Tier | Target bpw |");
      for (const stage of ["Calibrate", "Quantize"]) expect(output).toContain(`::group::${stage}`);
      expect(output).toMatch(
        /nemotron-nano-tiny-oQ4e: calibration loss, rounding = 1: .*experts \(up\) 0\./,
      );
      for (const repository of repositories("acme"))
        expect(output).toContain(`[${repository}](${hub.url}/${repository})`);
      expect(output).not.toContain(token);
      expect(output).not.toContain("::warning::");
    });

    test("the same tag again changes nothing and says so", async () => {
      const before = heads();
      writes = [];
      const { code, output } = await run();
      expect(code, output).toBe(0);
      const rows = tiers.map((tier, k) => ({ tier, outcome: "unchanged", commit: before[k] }));
      expect(await handedOn()).toMatchObject({ changed: "false", repositories: rows });
      expect({ heads: heads(), writes }).toEqual({ heads: before, writes: [] });
      expect(output).toContain("the repository held exactly this already");
      expect(output).not.toContain("::group::Quantize");
    });

    test("a wrong token fails the job with an annotation", async () => {
      writes = [];
      const { code, output } = await run({ token: "hf_invalidToken" });
      expect(code, output).not.toBe(0);
      expect(output).toMatch(/::error::.*does not accept the token/);
      expect(output).not.toContain("hf_invalidToken");
      expect(writes).toEqual([]);
    });

    describe(`the shipped ${example}`, () => {
      const variables = { OQE_NAMESPACE: "acme", OQE_BASE_MODEL: base };
      const workflow = () => `${scratch}/series-example.yml`;

      // As shipped, but measuring on as few rows as the workflow above.
      beforeAll(async () => {
        const text = await readFile(`${root}${example}`, "utf8");
        expect(text).toContain("          dry-run: ");
        await writeFile(
          workflow(),
          text.replace("          dry-run: ", "          evaluation-samples: 18\n$&"),
        );
      });

      const shipped = (more: Partial<ActCall>) =>
        run({
          workflow: workflow(),
          variables,
          local: `OWNER/oqe-publisher@${zeros}=${action}`,
          environment: { HF_ENDPOINT: hub.url },
          ...more,
        });

      test("publishes on a tag push, here what is published already", async () => {
        const { code, output } = await shipped({});
        expect(code, output).toBe(0);
        expect(output).toContain("changed=false");
        expect(output).toContain(`oqe-publisher@${zeros}`);
      });

      test("rehearses when dispatched by hand", async () => {
        writes = [];
        const payload = { ref: "refs/heads/main", inputs: { "dry-run": "true" } };
        const fresh = { ...variables, OQE_NAMESPACE: "direct", OQE_BASE_MODEL: "base/small" };
        const { code, output } = await shipped({
          event: "workflow_dispatch",
          payload,
          variables: fresh,
        });
        expect(code, output).toBe(0);
        expect(output).toContain("**Dry run:** nothing was published.");
        expect(writes).toEqual([]);
      });

      test("is inert where OQE_NAMESPACE is unset", async () => {
        const { code, output } = await shipped({ variables: {} });
        expect(code, output).toBe(0);
        expect(output).not.toContain("oqe-publisher@");
      });
    });
  },
);
