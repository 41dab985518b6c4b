import * as v from "valibot";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { verifyFiles } from "../checkpoint/verified-files.ts";
import { OqeError } from "../ground/errors.ts";
import {
  count,
  entries,
  line,
  list,
  matching,
  object,
  parse,
  readJson,
  sha256,
} from "../ground/schema.ts";
import type { Branch } from "../hub/hub-types.ts";
import type { WrittenFile } from "../mlx/shard-writer.ts";
import { sidecars } from "../models/carried.ts";
import { writtenPartSchema } from "./part-journal.ts";

/** Branch of a tier's repository that holds its unfinished work. */
export const stagingBranch = "oqe-staging";
/** Branch of the same repository for parts that a job makes ahead of the tier's own (tuneAhead). */
export const aheadBranch = "oqe-staging-ahead";
/** Folder on that branch for what is not part of the finished repository. */
export const workFolder = "oqe-work";
export const recipeFile = `${workFolder}/recipe.json`;
export const receiptFile = `${workFolder}/receipt.json`;
export const claimFile = `${workFolder}/claim.json`;
/** Files of a measurement: what they are, the walk with its hidden states, and the result. */
export const measurementFiles = {
  manifest: `${workFolder}/measurement.json`,
  walk: `${workFolder}/walk.json`,
  states: `${workFolder}/walk.bin`,
  sensitivity: `${workFolder}/sensitivity.json`,
};

const recipeSchema = object({ recipe: line });

export const stagedFile = object({ bytes: count, sha256 });
const sidecarNames = Object.values(sidecars).flatMap((name) => name?.replace(".", "\\.") ?? []);
const shardPattern = ["model(-\\d{5}-of-\\d{5})?\\.safetensors", ...sidecarNames].join("|");
const shardName = matching(new RegExp(`^(${shardPattern})$`), "the name of a shard");

/** One commit of the branch: what it added. */
const entrySchema = object({
  parts: list(writtenPartSchema),
  /** The shards that are complete since then. */
  shards: entries(shardName, stagedFile),
  /** null: all tensors of the parts are in complete shards. */
  piece: v.nullable(object({ tensors: list(line), file: stagedFile })),
});

/** What was finished since the last commit. */
export type StagedChange = v.InferOutput<typeof entrySchema>;
export type StagedEntry = StagedChange & { readonly path: string };

export function entryPath(number: number): string {
  return `${workFolder}/${String(number).padStart(5, "0")}.json`;
}

export function numberOf(path: string): number {
  return Number(/(\d+)\.json$/.exec(path)![1]);
}

export function pieceOf(path: string): string {
  return path.replace(/\.json$/, ".bin");
}

/** Name of the recipe whose work the branch holds; null: it does not say. */
export async function readRecipe({ content, files }: Branch): Promise<string | null> {
  if (!files.has(recipeFile)) return null;
  return (await readValue(content, recipeFile, recipeSchema))?.recipe ?? null;
}

/** Entries that were read before, by path and git's id of the file. */
export type KnownEntries = Map<string, StagedChange>;

/**
 * The records on the branch, in their order. One that cannot be read, or whose files are not there,
 * ends the list: the parts from there on are made again. `known` are not read again.
 */
export async function readEntries(
  { content, files }: Branch,
  known: KnownEntries = new Map(),
): Promise<StagedEntry[]> {
  const found: StagedEntry[] = [];
  for (let path = entryPath(0); files.has(path); path = entryPath(numberOf(path) + 1)) {
    const key = `${path} ${files.get(path)!.oid}`;
    const entry = known.get(key) ?? (await readValue(content, path, entrySchema));
    if (entry === null) break;
    known.set(key, entry);
    const { shards, piece } = entry;
    // The Hub lists the SHA-256 of every shard, and with it the size.
    const areThere = Object.entries(shards).every(
      ([name, shard]) => files.get(name)?.sha256 === shard.sha256,
    );
    if (!areThere || (piece !== null && !isListed(files, pieceOf(path), piece.file))) break;
    found.push({ path, ...entry });
  }
  return found;
}

/** Whether a file is on a branch. The listing of a small file has no SHA-256 to compare. */
export function isListed(
  files: Branch["files"],
  path: string,
  { bytes, sha256: hash }: WrittenFile,
): boolean {
  const listed = files.get(path);
  return listed?.size === bytes && (listed.sha256 === null || listed.sha256 === hash);
}

/** Largest record that is read, in bytes. Those of a large model have some megabytes. */
const largest = 64 << 20;

/** The value of a record; null for one that says something else. Throws errors of the Hub. */
export async function readValue<const S extends v.GenericSchema>(
  content: Repository,
  path: string,
  schema: S,
): Promise<v.InferOutput<S> | null> {
  const document = { where: path, code: "BAD_INPUT", hint: "" } as const;
  try {
    return parse(schema, readJson((await readRecord(content, path)) ?? "", document), document);
  } catch (error) {
    return unreadable(error);
  }
}

/** The text of a record, as the commit has it; null for one that is too large. */
export function readRecord(content: Repository, path: string): Promise<string | null> {
  return readText(verifyFiles(content), path, largest).catch(unreadable);
}

/** null for a record that says something else or is too large. Throws other errors. */
function unreadable(error: unknown): null {
  if (error instanceof OqeError && ["BAD_INPUT", "BAD_CHECKPOINT"].includes(error.code))
    return null;
  throw error;
}
