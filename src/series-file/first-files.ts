import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { assets } from "../ground/assets.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";

/** Where the Action is: `owner/oqe-publisher` at a commit or tag. */
export interface ActionPlace {
  readonly repository: string;
  readonly ref: string;
}

/** The files of a new repository, by path: what a template says, for this Action. */
export async function firstFiles({ repository, ref }: ActionPlace) {
  const fill = async (name: string) => {
    const text = await readFile(new URL(`first-files/${name}`, assets.templates), "utf8");
    const [owner = ""] = repository.split("/");
    const words = { OWNER: owner, REF: ref, VERSION: `v${engine.version}` };
    return text
      .replaceAll("OWNER/oqe-publisher", repository)
      .replace(/\b(REF|VERSION)\b/g, (word) => words[word as keyof typeof words]);
  };
  return new Map([
    ["series.yml", await fill("series.yml")],
    [".github/workflows/oqe.yml", await fill("oqe.yml")],
  ]);
}

/** `owner/oqe-publisher@<commit or tag>`. Throws BAD_INPUT. */
export function parsePlace(text: string): ActionPlace {
  const [, repository, ref] = /^([\w-]+\/[\w.-]+)@([\w][\w./-]{0,99})$/.exec(text) ?? [];
  if (repository !== undefined && ref !== undefined) return { repository, ref };
  throw new OqeError(
    "BAD_INPUT",
    `uses: "${text}" is not owner/repository@commit`,
    "For example acme/oqe-publisher@v1, or with a commit of 40 digits in place of v1.",
  );
}

/**
 * Where this program was installed from: npm notes the commit of a package from GitHub in the
 * folder that it installs into. null: from elsewhere.
 */
export async function installedFrom(entry = import.meta.url): Promise<ActionPlace | null> {
  const [, folder, name] = /^(.*\/node_modules)\/([\w.-]+)\//.exec(fileURLToPath(entry)) ?? [];
  if (folder === undefined || name === undefined) return null;
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
