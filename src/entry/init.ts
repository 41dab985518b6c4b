import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { onDisk } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import { firstFiles, installedFrom, parsePlace } from "../series-file/first-files.ts";
import type { Flags } from "./command-line.ts";

export interface FirstFile {
  readonly path: string;
  readonly outcome: "written" | "unchanged" | "replaced";
}

/**
 * Writes the series file and the workflow that calls ours. Files that are there are not touched,
 * unless told to overwrite: then nothing is written at all. Throws BAD_INPUT, NOT_OURS, DISK.
 */
export async function writeFirstFiles(
  folder: string,
  { uses, overwrite }: Flags,
): Promise<readonly FirstFile[]> {
  const place = typeof uses === "string" ? parsePlace(uses) : await installedFrom();
  if (place === null) {
    throw new OqeError(
      "BAD_INPUT",
      "nothing says which repository and commit of the Action the workflow is to use",
      "Give --uses <owner>/oqe-publisher@<commit>. The notes of each release have the commit.",
    );
  }
  const files = await firstFiles(place);
  const states = new Map<string, FirstFile["outcome"]>();
  for (const [path, text] of files) {
    const found = await readFile(join(folder, path), "utf8").catch(() => null);
    const isSame = found === text;
    states.set(path, found === null ? "written" : isSame ? "unchanged" : "replaced");
  }
  const others = [...states].flatMap(([path, state]) => (state === "replaced" ? [path] : []));
  if (others.length > 0 && overwrite !== true) {
    throw new OqeError(
      "NOT_OURS",
      `${others.map((path) => join(folder, path)).join(" and ")} exist, so nothing was written`,
      "Move them away, or set --overwrite to replace them.",
    );
  }
  for (const [path, text] of files) {
    if (states.get(path) === "unchanged") continue;
    const target = join(folder, path);
    await onDisk(target, text.length, async () => {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text);
    });
  }
  return [...states].map(([path, outcome]) => ({ path, outcome }));
}

/** What to do next. */
export const nextSteps = `1. In series.yml, set base-model and namespace.
2. Save a Hub token with write access to the namespace as the secret HF_TOKEN:
     gh secret set HF_TOKEN          (https://huggingface.co/settings/tokens makes one)
   Settings → Actions → General: allow GitHub Actions to create pull requests.
3. Push to the default branch: that publishes. To see the plan first, push a branch and open a pull
   request: a comment shows it. Then release:
     git tag v1.0.0 && git push origin v1.0.0`;
