import { mkdir, readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { makeRepository, root, unpackAction } from "./action/checkout.ts";
import { type ActCall, findTool, runAct } from "./action/run.ts";
import { actionScene, token } from "./support/action-scene.ts";
import { expectTuned } from "./support/tuned-tier.ts";

const tiers = ["oQ8e", "oQ6e", "oQ5e", "oQ4e"];
const inCi = process.env.CI === "true";
const act = findTool("act");
const scene = actionScene();

const repositories = tiers.map((tier) => `acme/nemotron-nano-tiny-${tier}`);
const heads = () => repositories.map((repository) => scene.hub.head(repository));

// The jobs share one Hub: the second job finds what the first published.
describe.skipIf(act === null && !inCi)(
  "run by act in host mode (no act? .ci/toolchain actions)",
  () => {
    const tag = "v1.2.3";
    const pushed = {
      ref: `refs/tags/${tag}`,
      repository: { full_name: "acme/series", default_branch: "main" },
    };
    const seen = () => `${scene.scratch}/seen`;
    let repository: string;

    beforeAll(async () => {
      repository = `${scene.scratch}/repository`;
      await unpackAction(repository, `${scene.scratch}/git-act`);
      await makeRepository(repository, [`${root}test/action/release.yml`], tag);
      await mkdir(seen());
    });

    const run = (more: Partial<ActCall> = {}) => {
      if (act === null) throw new Error("act is not installed: run .ci/toolchain actions");
      return runAct(act, scene.scratch, {
        repository,
        workflow: ".github/workflows/release.yml",
        event: "push",
        payload: pushed,
        variables: { HUB: scene.hub.url, SEEN: seen() },
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
      for (const repository of repositories) {
        const files = [...scene.hub.files(repository).keys()];
        expect(files).toEqual(
          expect.arrayContaining([
            "README.md",
            "oqe-receipt.json",
            "config.json",
            "tokenizer.json",
          ]),
        );
        expect(files.some((path) => path.endsWith(".safetensors"))).toBe(true);
        await expectTuned(`${scene.scratch}/hub/${repository}`, {
          samples: 8,
          length: 64,
          evaluation: 9,
        });
        const commits = await fetch(`${scene.hub.url}/api/models/${repository}/commits/main`);
        const [commit, ...earlier] = (await commits.json()) as {
          id: string;
          title: string;
          message: string;
        }[];
        expect(commit).toMatchObject({
          id: scene.hub.head(repository),
          title: expect.stringContaining("nemotron-nano-tiny"),
        });
        expect(commit!.message).toContain(`tag ${tag} of acme/series`);
        // The Hub's commit that creates the repository.
        expect(earlier.length).toBeLessThanOrEqual(1);
      }
      const rows = repositories.map((repository, k) => ({
        tier: tiers[k],
        repository,
        outcome: "published",
        commit: scene.hub.head(repository),
        url: `${scene.hub.url}/${repository}`,
      }));
      expect(await handedOn()).toMatchObject({
        changed: "true",
        revision: scene.revision,
        repositories: rows,
      });
      expect(output).toContain("| Tier | Target bpw |");
      for (const stage of ["Draw the rows", "Quantize"])
        expect(output).toContain(`::group::${stage}`);
      expect(output).toMatch(
        /nemotron-nano-tiny-oQ4e: calibration loss, rounding = 1: .*experts \(up\) 0\./,
      );
      for (const repository of repositories)
        expect(output).toContain(`[${repository}](${scene.hub.url}/${repository})`);
      expect(output).not.toContain(token);
      expect(output).not.toContain("::warning::");
    });

    test("the same tag again changes nothing and says so", async () => {
      const before = heads();
      scene.writes = [];
      const { code, output } = await run();
      expect(code, output).toBe(0);
      const rows = tiers.map((tier, k) => ({ tier, outcome: "unchanged", commit: before[k] }));
      expect(await handedOn()).toMatchObject({ changed: "false", repositories: rows });
      expect({ heads: heads(), writes: scene.writes }).toEqual({ heads: before, writes: [] });
      expect(output).toContain("the repository held exactly this already");
      expect(output).not.toContain("::group::Quantize");
    });

    // act may lose the last lines of a process that ends at once.
    test("a wrong token fails the job with an annotation", { retry: 2 }, async () => {
      scene.writes = [];
      const { code, output } = await run({ token: "hf_invalidToken" });
      expect(code, output).not.toBe(0);
      expect(output).toMatch(/::error::.*does not accept the token/);
      expect(output).not.toContain("hf_invalidToken");
      expect(scene.writes).toEqual([]);
    });
  },
);
