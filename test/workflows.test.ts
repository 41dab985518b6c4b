import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { firstFiles, firstPaths } from "../src/series-file/first-files.ts";
import { root } from "./action/checkout.ts";
import { findTool } from "./action/run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";

const inCi = process.env.CI === "true";
const actionlint = findTool("actionlint");

describe(".ci/toolchain", () => {
  test.each([[[]], [["kernel", "compiler"]]])("%j prints its usage and ends with 2", (parts) => {
    const script = spawnSync("bash", [`${root}.ci/toolchain`, ...parts], { encoding: "utf8" });
    expect(script).toMatchObject({ status: 2, stdout: "" });
    for (const part of ["kernel", "actions", "python", "arm64", "browser", "shells"])
      expect(script.stderr).toMatch(new RegExp(`^  ${part} +\\S`, "m"));
  });

  test("is called by .ci/run for all parts", async () => {
    const parts = "kernel actions python arm64 browser shells";
    expect(await readFile(`${root}.ci/run`, "utf8")).toContain(`\n.ci/toolchain ${parts}\n`);
  });
});

describe("the workflows", () => {
  interface Step {
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Record<string, unknown>;
  }
  interface Job {
    readonly uses?: string;
    readonly permissions?: unknown;
    readonly container?: string;
    readonly environment?: string;
    readonly secrets?: Record<string, string>;
    readonly outputs?: Record<string, string>;
    readonly strategy?: { readonly "fail-fast": boolean };
    readonly needs?: string | string[];
    readonly with?: Record<string, unknown>;
    readonly env?: Record<string, string>;
    readonly "timeout-minutes"?: number | string;
    readonly steps?: Step[];
  }

  const files = async () => {
    const shipped = (await readdir(`${root}.github/workflows`)).map(
      (name) => `.github/workflows/${name}`,
    );
    return [...shipped, "test/action/release.yml"];
  };

  /** The example of docs/github.md. */
  const pagesWorkflow = async () =>
    /^```yaml pages\n([\s\S]*?)^```/m.exec(await readFile(`${root}docs/github.md`, "utf8"))![1]!;

  test("the example for GitHub Pages pins what it uses, as the workflows do, and may not write", async () => {
    const text = await pagesWorkflow();
    const uses = text.split("\n").flatMap((line) => /uses: (\S+@\S+ # .*)$/.exec(line)?.[1] ?? []);
    expect(uses).toHaveLength(3);
    for (const one of uses) expect(one).toMatch(/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    const ci = await readFile(`${root}.github/workflows/ci.yml`, "utf8");
    expect(ci).toContain(uses.find((one) => one.startsWith("actions/checkout@")));
    const { permissions, jobs } = parse(text) as { permissions: unknown; jobs: { page: Job } };
    expect(permissions).toEqual({});
    expect(jobs.page.permissions).toEqual({
      ...{ contents: "read", "id-token": "write", pages: "write" },
    });
    const commands = (jobs.page.steps ?? []).flatMap(({ run }) => run ?? []);
    expect(commands.join("\n")).not.toContain("${{");
    // What it calls is a command with its flag, and reads what a release has.
    expect(commands[1]).toBe("node oqe-publisher/dist/cli.js site receipts --out page/");
    expect(commands[0]).toContain('--pattern "*.receipt.json" --dir receipts');
  });

  test.skipIf(actionlint === null && !inCi)(
    "pass actionlint (absent? .ci/toolchain actions)",
    async () => {
      if (actionlint === null)
        throw new Error("actionlint is not installed: run .ci/toolchain actions");
      const folder = await scratchFolder();
      onTestFinished(() => removeFolder(folder));
      const made = await firstFiles({ repository: "OWNER/oqe-publisher", ref: "v1" });
      await writeFile(`${folder}/oqe.yml`, made.get(firstPaths.workflow)!);
      await writeFile(`${folder}/pages.yml`, await pagesWorkflow());
      const all = [...(await files()), `${folder}/oqe.yml`, `${folder}/pages.yml`];
      const args = ["-shellcheck=", "-pyflakes=", "-no-color", ...all];
      const { status, stdout, stderr } = spawnSync(actionlint, args, {
        cwd: root,
        encoding: "utf8",
      });
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
    },
  );

  test("pin other actions, limit every job, keep no credentials, and put no event in a shell line", async () => {
    for (const file of await files()) {
      const text = await readFile(`${root}${file}`, "utf8");
      const { permissions, jobs } = parse(text) as {
        permissions?: unknown;
        jobs: Record<string, Job>;
      };
      expect(permissions, `${file}: permissions`).toBeDefined();
      for (const line of text.split("\n").filter((line) => /^\s*(- )?uses: /.test(line))) {
        expect(line, file).toMatch(/uses: (\.\/|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)/);
      }
      for (const [name, job] of Object.entries(jobs)) {
        if (job.uses === undefined)
          expect(String(job["timeout-minutes"])).toMatch(/^([1-9]\d*|\$\{\{ inputs\..+ \}\})$/);
        for (const step of job.steps ?? []) {
          expect(step.run ?? "", `${file}: ${name}`).not.toContain("${{");
          if (step.uses?.startsWith("actions/checkout@"))
            expect(step.with).toMatchObject({ "persist-credentials": false });
        }
      }
    }
  });

  const jobsOf = async (file: string) =>
    (parse(await readFile(`${root}${file}`, "utf8")) as { jobs: Record<string, Job> }).jobs;

  /** The name of an environment; in a called workflow, the caller's. */
  const environment = /^(\w+|\$\{\{ inputs\.environment \}\})$/;

  test("name container images by digest, and read secrets and write tokens in an environment", async () => {
    for (const file of await files()) {
      for (const [name, job] of Object.entries(await jobsOf(file))) {
        const where = `${file}: ${name}`;
        if (job.container !== undefined)
          expect(job.container, where).toMatch(/@sha256:[0-9a-f]{64}$/);
        // test/series-workflow.test.ts checks what other repositories call.
        const isOwn = file.startsWith(".github/") && !/\/(series|model)\.yml$/.test(file);
        const text = JSON.stringify(job);
        if (isOwn && /secrets\.|"contents":"write"/.test(text))
          expect(job.environment ?? job.with?.environment, where).toMatch(environment);
      }
    }
  });

  test("release the very commit that was tested, and none whose tag has moved", async () => {
    const jobs = await jobsOf(".github/workflows/release.yml");
    const commit = expect.stringMatching(/^\$\{\{ needs\.version\.outputs\.commit \}\}$/);
    const { version, dist, tests, release, ...others } = jobs;
    expect(Object.keys(others)).toEqual([]);
    expect(version!.steps!.at(-1)!.run).toContain("git rev-parse HEAD");
    for (const tested of [dist!, tests!]) expect(tested.with).toEqual({ commit });
    expect(release!.needs).toEqual(["version", "dist", "tests"]);
    expect(release!.env!.COMMIT).toEqual(commit);
    expect(release!.steps!.every(({ uses }) => uses === undefined)).toBe(true);
    expect(release!.steps![0]!.run).toMatch(/"\$tagged" != "\$COMMIT" \]; then.*exit 1/s);
    for (const file of ["ci", "check-dist"]) {
      for (const { steps = [] } of Object.values(await jobsOf(`.github/workflows/${file}.yml`))) {
        const checkout = steps.find(({ uses }) => uses?.startsWith("actions/checkout@"));
        expect(checkout!.with!.ref).toMatch(/^\$\{\{ inputs\.commit \|\| github\.sha \}\}$/);
      }
    }
  });

  test("are shown with this version, pinned", async () => {
    const { version } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
    for (const file of ["docs/github.md", "docs/action.md"]) {
      const text = await readFile(`${root}${file}`, "utf8");
      const uses = text.match(/uses: \S+\/oqe-publisher.*$/gm) ?? [];
      expect(uses.length, file).toBeGreaterThan(0);
      for (const line of uses)
        expect(line, file).toMatch(/oqe-publisher(\/\.github\/workflows\/series\.yml)?@<commit> #/);
      for (const line of uses) expect(line.endsWith(` # v${version}`), line).toBe(true);
    }
  });
});
