import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, link, mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Base } from "../base/base.ts";
import { licenceFiles } from "../card/inherit.ts";
import { openFolder } from "../checkpoint/folder.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { judge, limitsOf } from "../evaluation/gates.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { WrittenFile } from "../mlx/shard-writer.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { digestOf, recipeOf } from "../receipt/recipe.ts";
import { readReceipt } from "./read-receipt.ts";
import type { TierRun } from "./recipes.ts";
import type { StagedTier } from "./staged-tier.ts";
import { writeOtherFiles } from "./write-tiers.ts";

/** Where a tier is looked for, and the folder that it is to be in. */
export interface FinishedPlace {
  readonly base: Base;
  readonly folder: string;
  /** null: nothing is staged. */
  readonly staged: StagedTier | null;
  readonly gates: Inputs["gates"];
}

/**
 * The receipt of a tier that an earlier run finished and did not publish: in its place on the disk,
 * or on its staging branch. Brings all its files to `folder`. Shards that are on the branch stay
 * there. The gates are judged anew. null: the tier is to be made.
 */
export async function findFinished(run: TierRun, place: FinishedPlace): Promise<Receipt | null> {
  const { staged, folder } = place;
  const shards = staged?.shards ?? {};
  const onDisk = await readReceipt(run.place).catch(() => null);
  if (onDisk !== null && isOf(run, onDisk) && (await isComplete(run.place, onDisk, shards))) {
    await rm(folder, { recursive: true, force: true });
    for (const path of Object.keys(onDisk.files))
      await bring(join(run.place, path), join(folder, path));
    return judged(onDisk, place);
  }
  const text = (await staged?.receipt()) ?? null;
  const onBranch = text === null ? null : readStaged(text, run);
  if (onBranch === null || !isOf(run, onBranch)) return null;
  const licences = licenceFiles(place.base.checkpoint.repository);
  await writeOtherFiles({ base: place.base, licences }, run.recipe.plan, folder);
  return (await isComplete(folder, onBranch, shards)) ? judged(onBranch, place) : null;
}

/** A finished folder, with the shards that are on its staging branch only. */
export async function openWithStaged(
  folder: string,
  staged: StagedTier | null,
): Promise<Repository> {
  const local = await openFolder(folder);
  const distant = Object.keys(staged?.shards ?? {}).filter((file) => !local.files.has(file));
  if (staged === null || distant.length === 0) return local;
  const branch = await staged.content();
  const others = distant.map((file) => [file, branch.files.get(file)!] as const);
  const files = [...local.files, ...others].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...local,
    files: new Map(files),
    sha256: new Map(distant.map((file) => [file, staged.shards[file]!.sha256])),
    open: (path) => (distant.includes(path) ? branch : local).open(path),
  };
}

/** The files of a receipt that are not in the folder: they are on the staging branch. */
export async function stagedFiles(
  folder: string,
  { files }: Receipt,
): Promise<Readonly<Record<string, WrittenFile>>> {
  const found: Record<string, WrittenFile> = {};
  for (const [path, written] of Object.entries(files))
    if ((await stat(join(folder, path)).catch(() => null)) === null) found[path] = written;
  return found;
}

function isOf({ recipe }: TierRun, receipt: Receipt): boolean {
  return digestOf(recipeOf(receipt)) === digestOf(recipe);
}

function readStaged(text: string, { recipe }: TierRun): Receipt | null {
  try {
    return parseReceipt(text, `${recipe.repository}/${receiptPath}`);
  } catch {
    return null; // it is made again
  }
}

/** Whether every file of the receipt is in the folder or on the branch, with its SHA-256. */
async function isComplete(
  folder: string,
  { files }: Receipt,
  staged: Readonly<Record<string, WrittenFile>>,
): Promise<boolean> {
  for (const [path, { bytes, sha256 }] of Object.entries(files)) {
    if (staged[path]?.sha256 === sha256) continue;
    const size = await stat(join(folder, path)).then(
      (found) => found.size,
      () => -1,
    );
    if (size !== bytes || (await hashFile(join(folder, path))) !== sha256) return false;
  }
  return true;
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** Links a file where the disk can, else copies it. A file that is not there is on the branch. */
async function bring(from: string, to: string): Promise<void> {
  if ((await stat(from).catch(() => null)) === null) return;
  await mkdir(dirname(to), { recursive: true });
  await link(from, to).catch(() => copyFile(from, to));
}

function judged(receipt: Receipt, { gates }: FinishedPlace): Receipt {
  const { evaluation, plan } = receipt;
  if (evaluation === null) return receipt;
  return {
    ...receipt,
    evaluation: { ...evaluation, gates: judge(evaluation, limitsOf(gates, plan)) },
  };
}
