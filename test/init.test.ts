import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { InputName } from "../src/inputs/input-table.ts";
import { parseInputs } from "../src/inputs/inputs.ts";
import { firstFiles, installedFrom, weeklyCron } from "../src/series-file/first-files.ts";
import { parseSeriesFile } from "../src/series-file/series-file.ts";
import { root } from "./action/checkout.ts";
import { findTool } from "./action/run.ts";
import { runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";

const actionlint = findTool("actionlint");
const commit = "0123456789abcdef0123456789abcdef01234567";
const uses = ["--uses", `acme/oqe-publisher@${commit}`];
const workflow = ".github/workflows/oqe.yml";
const given: Partial<Record<InputName, string>> = { "base-model": "a/b", namespace: "c" };

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
    expect(stdout).toMatch(
      /^written +\/.*\/new\/series\.yml\nwritten +.*oqe\.yml\nwritten .*ignore\n\n1\. .*\n2\. /,
    );
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

  test("writes nothing where another workflow is, unless told to", async () => {
    const place = `${folder}/used`;
    await mkdir(`${place}/.github/workflows`, { recursive: true });
    await writeFile(join(place, workflow), "on: push\n");
    const refused = await runCli(["init", place, ...uses]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(
      /oqe\.yml exists.*nothing was written \[NOT_OURS\]\n.*--overwrite/,
    );
    expect(await readdir(place)).toEqual([".github"]);
    expect(await read("used", workflow)).toBe("on: push\n");
    const replaced = await runCli(["init", place, ...uses, "--overwrite"]);
    expect(replaced.stdout).toMatch(/^written .*series\.yml\nreplaced .*oqe\.yml\nwritten /);
    const again = await runCli(["init", place, ...uses]);
    expect(again.stdout).toMatch(/^unchanged .*\nunchanged .*\nunchanged /);
  });

  test.each([[[]], [["--overwrite"]]])(
    "keeps the models of a series file that is there: %j",
    async (flags) => {
      const place = `kept${flags.length}`;
      await mkdir(`${folder}/${place}`);
      const models = "models:\n  - { base-model: org/mine, namespace: me }\n";
      await writeFile(`${folder}/${place}/series.yml`, models);
      const { code, stdout } = await runCli(["init", `${folder}/${place}`, ...uses, ...flags]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^kept .*yml\n/) });
      expect(await read(place, "series.yml")).toBe(models);
      expect(await read(place, workflow)).toContain(`@${commit}`);
    },
  );

  test("a workflow that is replaced keeps its branch and its schedule", async () => {
    const place = `${folder}/own`;
    await runCli(["init", place, ...uses, "--branch", "trunk"]);
    const own = (await read("own", workflow)).replace(/cron: "[^"]*"/, 'cron: "5 1 * * *"');
    await writeFile(join(place, workflow), own.replace(commit, "v0.0.1"));
    const { stdout } = await runCli(["init", place, ...uses, "--overwrite"]);
    expect(stdout).toContain("Push to trunk, the default branch");
    expect(await read("own", workflow)).toBe(own);
  });

  test("takes the default branch from git, and the minute from the repository's name", async () => {
    const place = `${folder}/cloned`;
    const git = (...words: string[]) => spawnSync("git", ["-C", place, ...words]).status;
    spawnSync("git", ["init", "--quiet", "--initial-branch", "trunk", place]);
    git("remote", "add", "origin", "git@github.com:Acme/series.git");
    const { stdout } = await runCli(["init", place, ...uses, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ branch: "trunk" });
    const { on } = parse(await read("cloned", workflow));
    expect(on.push.branches).toEqual(["trunk"]);
    expect(on.schedule).toEqual([{ cron: weeklyCron("acme/series") }]);
    // On another branch, what the remote calls its default counts.
    git("symbolic-ref", "HEAD", "refs/heads/work");
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/stable");
    await rm(join(place, ".github"), { recursive: true });
    await runCli(["init", place, ...uses]);
    expect(parse(await read("cloned", workflow)).on.push.branches).toEqual(["stable"]);
    await rm(join(place, ".github"), { recursive: true });
    await runCli(["init", place, ...uses, "--branch", "1.0"]);
    expect(parse(await read("cloned", workflow)).on.push.branches).toEqual(["1.0"]);
  });

  test("schedules of different repositories start at different minutes, none at the full hour", () => {
    const crons = Array.from({ length: 300 }, (_, k) => weeklyCron(`acme/series-${k}`));
    for (const cron of crons) expect(cron).toMatch(/^([1-9]|[1-5]\d) 3 \* \* 1$/);
    expect(new Set(crons).size).toBe(59);
    expect(weeklyCron("Acme/Series")).toBe(weeklyCron("acme/series"));
  });

  test.each([
    ["absent", null, "# Work folder of oqe-publisher\noqe-work/\n"],
    ["other lines", "a\n!b\n", "a\n!b\n# Work folder of oqe-publisher\noqe-work/\n"],
    ["no line break at its end", "a", "a\n# Work folder of oqe-publisher\noqe-work/\n"],
    ["Windows", "a\r\nb\r\n", "a\r\nb\r\n# Work folder of oqe-publisher\r\noqe-work/\r\n"],
    ["there already", "x\n/oqe-work\n", "x\n/oqe-work\n"],
    ["a person wants it", "!oqe-work/", "!oqe-work/"],
    ["bytes that are no text", "\xff\n", "\xff\n# Work folder of oqe-publisher\noqe-work/\n"],
  ])(".gitignore: %s", async (name, before, after) => {
    const place = `ignored-${name.replaceAll(" ", "-")}`;
    await mkdir(`${folder}/${place}`);
    const path = join(folder, place, ".gitignore");
    if (before !== null) await writeFile(path, before, "latin1");
    for (let run = 0; run < 2; run++)
      expect((await runCli(["init", `${folder}/${place}`, ...uses])).code).toBe(0);
    expect(await readFile(path, "latin1")).toBe(after);
    expect(basename(parseInputs((input) => given[input] ?? "", {}).workDir)).toBe("oqe-work");
  });

  test.each([
    [[], /which repository and commit of the Action.*\n.*--uses <owner>/],
    [["--uses", "oqe-publisher"], /uses: "oqe-publisher" is not owner\/repository@commit/],
    [["--uses", "a/b@x y"], /is not owner\/repository@commit/],
    [["--uses", "a/b@v1\n# x"], /is not owner\/repository@commit/],
    [[...uses, "--branch", "re*"], /"re\*" cannot be written.*\n.*--branch <name>/],
    [[...uses, "--branch", 'a"]\n'], /cannot be written into the workflow/],
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
