import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { assets } from "../ground/assets.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import { commitOfClone } from "./clone.ts";

/** Where the Action is: `owner/oqe-publisher` at a commit or tag. */
export interface ActionPlace {
  readonly repository: string;
  readonly ref: string;
}

/** What the workflow says of the repository that it is in. */
export interface Home {
  /** The default branch. */
  readonly branch: string;
  /** When the weekly run starts, in UTC. */
  readonly cron: string;
}

/** Of a repository that nothing is known of. */
export const usualHome: Home = { branch: "main", cron: "17 3 * * 1" };

export const firstPaths = {
  series: "series.yml",
  workflow: ".github/workflows/oqe.yml",
  ignored: ".gitignore",
} as const;

/** Series file and workflow of a new repository, by path: what a template says, for this Action. */
export async function firstFiles(
  { repository, ref }: ActionPlace,
  { branch, cron }: Home = usualHome,
): Promise<ReadonlyMap<string, string>> {
  const words: Readonly<Record<string, string>> = {
    ...{ "OWNER/oqe-publisher": repository, REF: ref, VERSION: `v${engine.version}` },
    ...{ BRANCH: branch, CRON: cron },
  };
  const fill = async (name: string) => {
    const text = await readFile(new URL(`first-files/${name}`, assets.templates), "utf8");
    const placeholders = /\b(OWNER\/oqe-publisher|REF|VERSION|BRANCH|CRON)\b/g;
    return text.replace(placeholders, (word) => words[word]!);
  };
  return new Map([
    [firstPaths.series, await fill("series.yml")],
    [firstPaths.workflow, await fill("oqe.yml")],
  ]);
}

/**
 * Monday, between 03:01 and 03:59 UTC. The minute comes from the repository's name: GitHub delays
 * or drops runs of the full hour, when most schedules start.
 */
export function weeklyCron(repository: string): string {
  const hash = createHash("sha256").update(repository.toLowerCase()).digest();
  return `${1 + (hash.readUInt32BE() % 59)} 3 * * 1`;
}

/** Throws BAD_INPUT for a name that is a pattern in a workflow, or none of git's. */
export function checkBranch(name: string): string {
  if (/^[\w](?!.*(\.\.|\/\/))[\w./-]{0,99}(?<![./])$/.test(name)) return name;
  throw new OqeError(
    "BAD_INPUT",
    `the default branch ${JSON.stringify(name)} cannot be written into the workflow`,
    "Give --branch <name> with letters, digits, dots, dashes and slashes, such as --branch main.",
  );
}

/** `owner/oqe-publisher@<commit or tag>`. Throws BAD_INPUT. */
export function parsePlace(text: string): ActionPlace {
  const [, repository, ref] = /^([\w-]+\/[\w.-]+)@([\w][\w./-]{0,99})$/.exec(text) ?? [];
  if (repository !== undefined && ref !== undefined) return { repository, ref };
  throw new OqeError(
    "BAD_INPUT",
    `uses: "${text}" is not owner/repository@commit`,
    `For example acme/oqe-publisher@v${engine.version}, or with a commit of 40 digits behind the @.`,
  );
}

/**
 * Where this program was installed from: npm notes the commit of a package from GitHub in the
 * folder that it installs into; a clone knows its own. null: from elsewhere.
 */
export async function installedFrom(entry = import.meta.url): Promise<ActionPlace | null> {
  const [, folder, name] = /^(.*\/node_modules)\/([\w.-]+)\//.exec(fileURLToPath(entry)) ?? [];
  if (folder === undefined || name === undefined) return commitOfClone(assets.root);
  try {
    const lock = JSON.parse(await readFile(`${folder}/.package-lock.json`, "utf8"));
    const resolved = String(lock.packages[`node_modules/${name}`].resolved);
    const pattern = /github\.com[/:]([\w-]+\/[\w.-]+?)(?:\.git)?#([0-9a-f]{40})$/;
    const [, repository, ref] = pattern.exec(resolved) ?? [];
    return repository === undefined || ref === undefined ? null : { repository, ref };
  } catch {
    return null; // another version of npm, or another installer
  }
}
