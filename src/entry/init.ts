import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { onDisk } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import { codeOf } from "../ground/reasons.ts";
import { usualWorkDir } from "../inputs/inputs.ts";
import { readClone } from "../series-file/clone.ts";
import { cronFault } from "../series-file/cron.ts";
import {
  type ActionPlace,
  checkBranch,
  firstFiles,
  firstPaths,
  type Home,
  installedFrom,
  parsePlace,
  weeklyCron,
} from "../series-file/first-files.ts";
import { readWorkflow, tableOf, textsOf } from "../series-file/workflow-file.ts";
import type { Flags } from "./command-line.ts";

export interface FirstFile {
  readonly path: string;
  /** `kept`: a series file that is there; its models are a person's. `extended`: by lines. */
  readonly outcome: "written" | "unchanged" | "replaced" | "kept" | "extended";
}

export interface FirstFiles {
  readonly folder: string;
  readonly files: readonly FirstFile[];
  /** The branch that the workflow takes for the default one. */
  readonly branch: string;
}

/** A file as it is, and as it is to be. */
interface Draft extends FirstFile {
  readonly write: (target: string) => Promise<void>;
  readonly bytes: number;
}

/**
 * Writes the series file, the workflow that calls ours, and what git is to ignore. A series file
 * that is there is never changed, and lines of a `.gitignore` stay. If there is another workflow,
 * nothing is written at all, unless told to overwrite it. Throws BAD_INPUT, NOT_OURS, DISK.
 */
export async function writeFirstFiles(folder: string, flags: Flags): Promise<FirstFiles> {
  const place = await findAction(flags.uses);
  const found = await readOld(join(folder, firstPaths.workflow));
  const home = await findHome(folder, flags.branch, found);
  const files = await firstFiles(place, home);
  const drafts = [
    await draftSeries(folder, files.get(firstPaths.series)!),
    draftWorkflow(folder, { found, wanted: files.get(firstPaths.workflow)! }, flags.overwrite),
    await draftIgnored(folder),
  ];
  for (const { path, outcome, write, bytes } of drafts) {
    if (outcome === "unchanged" || outcome === "kept") continue;
    const target = join(folder, path);
    await onDisk(target, bytes, async () => {
      await mkdir(dirname(target), { recursive: true });
      await write(target);
    });
  }
  const outcomes = drafts.map(({ path, outcome }) => ({ path, outcome }));
  return { folder, files: outcomes, branch: home.branch };
}

/** What was done, and what to do next. */
export function describeFirstFiles({ folder, files, branch }: FirstFiles): string {
  const lines = files.map(({ path, outcome }) => `${outcome.padEnd(9)}  ${join(folder, path)}`);
  return `${lines.join("\n")}

1. In series.yml, set base-model and namespace.
2. Save a Hub token with write access to the namespace as the secret HF_TOKEN:
     gh secret set HF_TOKEN          (https://huggingface.co/settings/tokens makes one)
   Settings → Actions → General: allow GitHub Actions to create pull requests.
3. Push to ${branch}, the default branch (if it is another one: --branch <name>): that publishes. To
   see the plan first, push a branch and open a pull request: a comment shows it. Then release:
     git tag v1.0.0 && git push origin v1.0.0`;
}

async function findAction(uses: Flags[string]): Promise<ActionPlace> {
  const place = typeof uses === "string" ? parsePlace(uses) : await installedFrom();
  if (place !== null) return place;
  throw new OqeError(
    "BAD_INPUT",
    "nothing says which repository and commit of the Action the workflow is to use",
    "Give --uses <owner>/oqe-publisher@<commit>. The notes of each release have the commit.",
  );
}

/** What a person set in the workflow that is there counts more than what git says. */
async function findHome(
  folder: string,
  branch: Flags[string],
  workflow: string | null,
): Promise<Home> {
  const clone = await readClone(folder);
  const on = tableOf(tableOf(readWorkflow(workflow ?? "").value).on);
  const [own, ...more] = textsOf(tableOf(on.push).branches);
  const [schedule] = Array.isArray(on.schedule) ? on.schedule : [];
  const { cron } = tableOf(schedule);
  const asked = typeof branch === "string" ? branch : undefined;
  const isOwnCron = typeof cron === "string" && cronFault(cron) === null;
  return {
    branch: checkBranch(asked ?? (more.length === 0 ? own : undefined) ?? clone.branch ?? "main"),
    cron: isOwnCron ? cron : weeklyCron(clone.repository ?? basename(resolve(folder))),
  };
}

/** null: there is no such file. One that cannot be read is a failure, for it would be replaced. */
function readOld(path: string): Promise<string | null> {
  return readFile(path, "utf8").catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  });
}

async function draftSeries(folder: string, wanted: string): Promise<Draft> {
  const path = firstPaths.series;
  const found = await readOld(join(folder, path));
  const outcome = found === null ? "written" : found === wanted ? "unchanged" : "kept";
  return { path, outcome, ...rewriting(wanted) };
}

function draftWorkflow(
  folder: string,
  { found, wanted }: { readonly found: string | null; readonly wanted: string },
  overwrite: Flags[string],
): Draft {
  const path = firstPaths.workflow;
  if (found === null) return { path, outcome: "written", ...rewriting(wanted) };
  if (found === wanted) return { path, outcome: "unchanged", ...rewriting(wanted) };
  if (overwrite === true) return { path, outcome: "replaced", ...rewriting(wanted) };
  throw new OqeError(
    "NOT_OURS",
    `${join(folder, path)} exists and differs, so nothing was written`,
    "Set --overwrite to replace it: its branch and its schedule stay, and so does series.yml.",
  );
}

/** Work folders have finished tiers: gigabytes that `git add .` would take. */
async function draftIgnored(folder: string): Promise<Draft> {
  const path = firstPaths.ignored;
  const found = await readOld(join(folder, path));
  const text = `# Work folder of oqe-publisher\n${usualWorkDir}/\n`;
  if (found === null) return { path, outcome: "written", ...rewriting(text) };
  const own = [usualWorkDir, `/${usualWorkDir}`].flatMap((name) => [name, `${name}/`]);
  // A line with ! says that a person wants it otherwise.
  const isOwn = (line: string) => own.includes(line.trim().replace(/^!/, ""));
  const isThere = found.split(/\r?\n/).some(isOwn);
  if (isThere) return { path, outcome: "unchanged", ...rewriting(text) };
  const end = found.includes("\r\n") ? "\r\n" : "\n";
  const gap = found === "" || found.endsWith("\n") ? "" : end;
  const added = gap + text.replaceAll("\n", end);
  const write = (target: string) => appendFile(target, added);
  return { path, outcome: "extended", write, bytes: added.length };
}

function rewriting(text: string): Pick<Draft, "write" | "bytes"> {
  return { write: (target) => writeFile(target, text), bytes: text.length };
}
