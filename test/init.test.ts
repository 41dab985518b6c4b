import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { firstFiles, installedFrom } from "../src/series-file/first-files.ts";
import { parseSeriesFile } from "../src/series-file/series-file.ts";
import { root } from "./action/checkout.ts";
import { findTool } from "./action/run.ts";
import { runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";

const actionlint = findTool("actionlint");
const commit = "0123456789abcdef0123456789abcdef01234567";
const uses = ["--uses", `acme/oqe-publisher@${commit}`];
const workflow = ".github/workflows/oqe.yml";

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const read = (place: string, path: string) => readFile(join(folder, place, path), "utf8");

describe("oqe init", () => {
  test("writes the workflow that docs/github.md shows, which explains each of its rights", async () => {
    const page = await readFile(join(root, "docs/github.md"), "utf8");
    const [, shown, explained] =
      /<!-- caller -->\n```yaml\n([\s\S]*?)```\n<!-- \/caller -->([\s\S]*?)\n## /.exec(page) ?? [];
    const files = await firstFiles({ repository: "<owner>/oqe-publisher", ref: "<commit>" });
    const version = (text = "") => text.replace(/# v\d+\.\d+\.\d+$/m, "# VERSION");
    expect(version(shown)).toBe(version(files.get(workflow)));
    const rows = [...explained!.matchAll(/^\| `([a-z-]+: [a-z]+)` \| /gm)].map(
      ([, right]) => right,
    );
    const { permissions } = parse(files.get(workflow)!).jobs.series;
    expect(rows).toEqual(Object.entries(permissions).map(([name, right]) => `${name}: ${right}`));
  });

  test("writes a series file that is read, and a workflow that is pinned", async () => {
    const { code, stdout, stderr } = await runCli(["init", `${folder}/new`, ...uses]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^written +\/.*\/new\/series\.yml\nwritten +.*oqe\.yml\n\n1\. .*\n2\. /);
    for (const step of ["gh secret set HF_TOKEN", "open a pull", "git tag v1.0.0"])
      expect(stdout).toContain(step);
    const written = await read("new", "series.yml");
    expect(() => parseSeriesFile(written, "series.yml")).toThrow(
      /^series\.yml:\d+: .*"your-name" is the example's namespace/,
    );
    const series = written.replace("your-name", "acme");
    expect(parseSeriesFile(series, "series.yml").models).toMatchObject([{ name: "Qwen3-1.7B" }]);
    expect(series).toMatch(
      new RegExp(
        `^# yaml-language-server: \\$schema=\\S+/acme/oqe-publisher/${commit}/docs/series`,
      ),
    );
    const { jobs } = parse(await read("new", workflow));
    expect(jobs.series.uses).toBe(`acme/oqe-publisher/.github/workflows/series.yml@${commit}`);
    for (const text of [series, await read("new", workflow)])
      expect(text).not.toMatch(/OWNER|\bREF\b|VERSION/);
  });

  test("writes every line that a comment has as a key that is read, too", async () => {
    const series = (await read("new", "series.yml")).replace("your-name", "acme");
    const lines = series
      .split("\n")
      .map((line) => line.replace(/^( *)# (?=[- ] |[a-z-]+: )/, "$1"));
    const all = lines.filter((line) => !/^(yaml|The|https)/.test(line)).join("\n");
    const { models } = parseSeriesFile(all, "series.yml");
    expect(models).toMatchObject([
      { runner: "ubuntu-24.04-arm", environment: "hub", inputs: { "target-size": "1GB" } },
      { name: "another-model", inputs: { tiers: "oQ4e", "time-limit": "5h30m" } },
    ]);
  });

  test.skipIf(actionlint === null && process.env.CI !== "true")(
    "writes a workflow that actionlint passes, and that calls ours as it is",
    async () => {
      if (actionlint === null) throw new Error("run .ci/toolchain actions");
      // Local, so that actionlint compares inputs and secrets with those of the called workflow.
      const local = join(folder, "local");
      await mkdir(join(local, ".github/workflows"), { recursive: true });
      const text = (await read("new", workflow)).replace(
        /uses: acme\/oqe-publisher\/(\S+)@\S+.*/,
        "uses: ./$1",
      );
      expect(text).toContain("uses: ./.github/workflows/series.yml");
      await writeFile(join(local, workflow), text);
      for (const name of await readdir(join(root, ".github/workflows"))) {
        const path = `.github/workflows/${name}`;
        await writeFile(join(local, path), await readFile(join(root, path), "utf8"));
      }
      spawnSync("git", ["init", "--quiet", local]);
      const args = ["-shellcheck=", "-pyflakes=", "-no-color", workflow];
      const { status, stdout } = spawnSync(actionlint, args, { cwd: local, encoding: "utf8" });
      expect(stdout).toBe("");
      expect(status).toBe(0);
    },
  );

  test("writes nothing where a file is, unless told to", async () => {
    const place = `${folder}/used`;
    await mkdir(place);
    await writeFile(`${place}/series.yml`, "models: []\n");
    const refused = await runCli(["init", place, ...uses]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(
      /series\.yml exist.*nothing was written \[NOT_OURS\]\n.*--overwrite/,
    );
    expect(await readdir(place)).toEqual(["series.yml"]);
    expect(await read("used", "series.yml")).toBe("models: []\n");
    const replaced = await runCli(["init", place, ...uses, "--overwrite"]);
    expect(replaced.stdout).toMatch(/^replaced .*series\.yml\nwritten /);
    const again = await runCli(["init", place, ...uses]);
    expect(again.stdout).toMatch(/^unchanged .*\nunchanged /);
  });

  test.each([
    [[], /which repository and commit of the Action.*\n.*--uses <owner>/],
    [["--uses", "oqe-publisher"], /uses: "oqe-publisher" is not owner\/repository@commit/],
    [["--uses", "a/b@x y"], /is not owner\/repository@commit/],
    [["--uses", "a/b@v1\n# x"], /is not owner\/repository@commit/],
  ])("%j is refused", async (flags, says) => {
    const { code, stderr } = await runCli(["init", `${folder}/none`, ...flags]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(says) });
  });

  test("finds the commit that npm installed it from", async () => {
    const modules = join(folder, "node_modules");
    await mkdir(join(modules, "oqe-publisher/dist"), { recursive: true });
    const entry = pathToFileURL(join(modules, "oqe-publisher/dist/commands.js")).href;
    expect(await installedFrom(entry)).toBeNull();
    for (const resolved of [
      `git+ssh://git@github.com/acme/oqe-publisher.git#${commit}`,
      `git+https://github.com/acme/oqe-publisher.git#${commit}`,
    ]) {
      const packages = { "node_modules/oqe-publisher": { resolved } };
      await writeFile(join(modules, ".package-lock.json"), JSON.stringify({ packages }));
      expect(await installedFrom(entry)).toEqual({ repository: "acme/oqe-publisher", ref: commit });
    }
    const elsewhere = { "node_modules/oqe-publisher": { resolved: "https://example.org/x.tgz" } };
    await writeFile(join(modules, ".package-lock.json"), JSON.stringify({ packages: elsewhere }));
    expect(await installedFrom(entry)).toBeNull();
  });
});
