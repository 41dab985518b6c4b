import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

export const root = fileURLToPath(new URL("../../", import.meta.url));

function run(
  cwd: string,
  command: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): string {
  const env = { ...process.env, ...environment };
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}`);
  return stdout.trim();
}

/**
 * Unpacks into `to` what a runner gets for `uses: <owner>/oqe-publisher@v1`: the archive of a
 * commit of the working tree, without the files of `export-ignore`. The repository's own index and
 * objects do not change.
 */
export async function unpackAction(to: string, scratch: string): Promise<void> {
  if (!existsSync(join(root, "dist/action.js")))
    throw new Error("dist/ is missing: run npm run build");
  await Promise.all([to, `${scratch}/objects`].map((folder) => mkdir(folder, { recursive: true })));
  const aside = {
    GIT_INDEX_FILE: `${scratch}/index`,
    GIT_OBJECT_DIRECTORY: `${scratch}/objects`,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: run(root, "git", [
      "rev-parse",
      "--path-format=absolute",
      "--git-path",
      "objects",
    ]),
  };
  // Only what the archive may have, and one file that it must not have.
  run(
    root,
    "git",
    ["add", "--all", "--", ".gitattributes", "package.json", "action.yml", "dist", "test/run.ts"],
    aside,
  );
  const tree = run(root, "git", ["write-tree"], aside);
  run(root, "git", ["archive", "--output", `${scratch}/action.tar`, tree], aside);
  run(to, "tar", ["xf", `${scratch}/action.tar`]);
}

/**
 * Makes a folder a repository with the given workflows, one commit, a tag and an origin, as act
 * needs it.
 */
export async function makeRepository(
  folder: string,
  workflows: readonly string[],
  tag: string,
): Promise<void> {
  await mkdir(`${folder}/.github/workflows`, { recursive: true });
  for (const path of workflows)
    await copyFile(path, `${folder}/.github/workflows/${basename(path)}`);
  const who = [
    "-c",
    "user.name=Test",
    "-c",
    "user.email=test@example.org",
    "-c",
    "commit.gpgsign=false",
  ];
  run(folder, "git", ["init", "--quiet", "--initial-branch=main"]);
  run(folder, "git", ["add", "--all"]);
  run(folder, "git", [...who, "commit", "--quiet", "--message=Everything"]);
  run(folder, "git", ["tag", tag]);
  run(folder, "git", ["remote", "add", "origin", "https://github.com/acme/series.git"]);
}

/**
 * The variables of the inputs of action.yml as the runner sets them: INPUT_<NAME>, with defaults.
 */
export async function inputVariables(
  given: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const { inputs } = parse(await readFile(`${root}action.yml`, "utf8")) as {
    inputs: Record<string, { default?: string }>;
  };
  for (const name of Object.keys(given))
    if (!Object.hasOwn(inputs, name)) throw new Error(`no input ${name}`);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { default: text = "" }]) => [
      `INPUT_${name.toUpperCase()}`,
      // The runner evaluates expressions; here they are empty.
      given[name] ?? (text.startsWith("${{") ? "" : text),
    ]),
  );
}
