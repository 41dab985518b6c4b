import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./action/checkout.ts";
import { findTool } from "./action/run.ts";

const inCi = process.env.CI === "true";
const actionlint = findTool("actionlint");

describe("the workflows", () => {
  interface Step {
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Record<string, unknown>;
  }
  interface Job {
    readonly uses?: string;
    readonly permissions?: unknown;
    readonly "timeout-minutes"?: number;
    readonly steps?: Step[];
  }

  const files = async () => {
    const shipped = (await readdir(`${root}.github/workflows`)).map(
      (name) => `.github/workflows/${name}`,
    );
    return [...shipped, "test/action/release.yml"];
  };

  test.skipIf(actionlint === null && !inCi)(
    "pass actionlint (absent? .ci/toolchain actions)",
    async () => {
      if (actionlint === null)
        throw new Error("actionlint is not installed: run .ci/toolchain actions");
      const args = ["-shellcheck=", "-pyflakes=", "-no-color", ...(await files())];
      const { status, stdout, stderr } = spawnSync(actionlint, args, {
        cwd: root,
        encoding: "utf8",
      });
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
    },
  );

  test("pin others' actions, bound every job, keep no credentials, and let no event into a shell line", async () => {
    for (const file of await files()) {
      const text = await readFile(`${root}${file}`, "utf8");
      const { permissions, jobs } = parse(text) as {
        permissions?: unknown;
        jobs: Record<string, Job>;
      };
      expect(permissions, `${file}: permissions`).toBeDefined();
      for (const line of text.split("\n").filter((line) => /^\s*(- )?uses: /.test(line))) {
        expect(line, file).toMatch(
          /uses: (\.\/|OWNER\/oqe-publisher@v1$|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)/,
        );
      }
      for (const [name, job] of Object.entries(jobs)) {
        if (job.uses === undefined)
          expect(job["timeout-minutes"], `${file}: ${name}`).toBeGreaterThan(0);
        for (const step of job.steps ?? []) {
          expect(step.run ?? "", `${file}: ${name}`).not.toContain("${{");
          if (step.uses?.startsWith("actions/checkout@"))
            expect(step.with).toMatchObject({ "persist-credentials": false });
        }
      }
    }
  });
});
