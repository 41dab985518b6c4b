import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
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
import type { Branch, Hub, StagedFile } from "../hub/hub-types.ts";
import type { WrittenFile } from "../mlx/shard-writer.ts";
import { writtenPartSchema } from "./part-journal.ts";

/** Branch of a tier's repository that holds its unfinished work. */
export const stagingBranch = "oqe-staging";

/** Folder on that branch for what is not part of the finished repository. */
const workFolder = "oqe-work";
const recipeFile = `${workFolder}/recipe.json`;
const receiptFile = `${workFolder}/receipt.json`;

const recipeSchema = object({ recipe: line });

const file = object({ bytes: count, sha256 });
const shardName = matching(/^model(-\d{5}-of-\d{5})?\.safetensors$/, "the name of a shard");

/** One commit of the branch: what it added. */
const entrySchema = object({
  parts: list(writtenPartSchema),
  /** The shards that are complete since then. */
  shards: entries(shardName, file),
  /** null: all tensors of the parts are in complete shards. */
  piece: v.nullable(object({ tensors: list(line), file })),
});

/** What was finished since the last commit. */
export type StagedChange = v.InferOutput<typeof entrySchema>;
export type StagedEntry = StagedChange & { readonly path: string };

export interface StagedTierRequest {
  readonly hub: Hub;
  readonly repository: string;
  /** Whether a new repository is private. */
  readonly private: boolean;
  /** Name of the recipe (digestOf). */
  readonly recipe: string;
  readonly report: Pick<Report, "info">;
}

/**
 * The unfinished work on a tier, on a branch of its repository: complete shards at their places,
 * and for every commit a record of the parts that it added. Tensors of these parts whose shard is
 * not complete lie one after the other in a file, the piece of the commit. So a machine with an
 * empty disk goes on with it. Main is not changed.
 */
export class StagedTier {
  readonly #request: StagedTierRequest;
  readonly #entries: StagedEntry[];
  /** Head of the branch; null: it has none of our work. */
  #commit: string | null;
  /** The files of a commit. */
  #content: { readonly commit: string; readonly files: Promise<Repository> } | null = null;

  private constructor(request: StagedTierRequest, commit: string | null, known: StagedEntry[]) {
    this.#request = request;
    this.#commit = commit;
    this.#entries = known;
  }

  /** Reads what the branch holds. Work of another recipe is removed. */
  static async open(request: StagedTierRequest): Promise<StagedTier> {
    const { hub, repository, recipe, report } = request;
    const branch = await hub.readBranch(repository, stagingBranch);
    if (branch === null) return new StagedTier(request, null, []);
    if ((await readRecipe(branch)) === recipe)
      return new StagedTier(request, branch.commit, await readEntries(branch));
    report.info(`${repository}: its staging branch has work of another recipe; it is removed`);
    await hub.removeBranch(repository, stagingBranch);
    return new StagedTier(request, null, []);
  }

  /** The complete shards on the branch. */
  get shards(): Readonly<Record<string, WrittenFile>> {
    return Object.fromEntries(this.#entries.flatMap(({ shards }) => Object.entries(shards)));
  }

  /** What the branch holds, commit by commit. */
  get entries(): readonly StagedEntry[] {
    return this.#entries;
  }

  /** Forgets the entries from the first on that is not of this tier: the parts are made again. */
  keepFitting(fits: (entry: StagedEntry) => boolean): void {
    const wrong = this.#entries.findIndex((entry) => !fits(entry));
    if (wrong !== -1) this.#entries.length = wrong;
  }

  /** Brings a complete shard to `path` on the disk. Throws NETWORK if its SHA-256 differs. */
  async fetch(shard: string, path: string): Promise<void> {
    await this.#download(shard, path, this.shards[shard]!);
  }

  /** Brings the piece of a commit to `path` on the disk, in the same way. */
  async fetchPiece(entry: StagedEntry, path: string): Promise<void> {
    await this.#download(pieceOf(entry.path), path, entry.piece!.file);
  }

  /**
   * Adds what was finished to the branch, in one commit. `folder` has the shards, `piece` is the
   * file with those tensors.
   */
  async add(change: StagedChange, folder: string, piece: string): Promise<void> {
    const { hub, repository, recipe } = this.#request;
    const last = this.#entries.at(-1)?.path ?? null;
    const path = entryPath(last === null ? 0 : numberOf(last) + 1);
    const files: StagedFile[] = Object.entries(change.shards).map(([name, written]) => {
      return { path: name, file: join(folder, name), ...written };
    });
    if (change.piece !== null)
      files.push({ path: pieceOf(path), file: piece, ...change.piece.file });
    files.push({ path, content: utf8(JSON.stringify(change)) });
    if (last === null) files.push({ path: recipeFile, content: utf8(JSON.stringify({ recipe })) });
    const names = [...change.parts.map(({ part }) => part.name), ...Object.keys(change.shards)];
    const { commit } = await hub.stage({
      ...{ repository, branch: stagingBranch, private: this.#request.private },
      ...{ files, deleted: [], parent: this.#commit },
      title: `Stage ${names.join(", ")}`.slice(0, longestTitle),
    });
    this.#commit = commit;
    this.#entries.push({ path, ...change });
  }

  /** The receipt of a tier that is finished; null: it is not. */
  async receipt(): Promise<string | null> {
    if (this.#commit === null) return null;
    const content = await this.content();
    return content.files.has(receiptFile)
      ? readText(content, receiptFile, largest).catch(unreadable)
      : null;
  }

  /** Adds the receipt: all shards are on the branch, and the tier is evaluated. */
  async finish(receipt: string): Promise<void> {
    const { hub, repository } = this.#request;
    const { commit } = await hub.stage({
      ...{ repository, branch: stagingBranch, private: this.#request.private },
      files: [{ path: receiptFile, content: utf8(receipt) }],
      ...{ deleted: [], parent: this.#commit, title: "Stage the receipt" },
    });
    this.#commit = commit;
  }

  /** Removes the branch, if it has our work. */
  async discard(): Promise<void> {
    if (this.#commit === null) return;
    await this.#request.hub.removeBranch(this.#request.repository, stagingBranch);
    this.#commit = null;
    this.#entries.length = 0;
  }

  /** The files of the branch, to be read. */
  content(): Promise<Repository> {
    const commit = this.#commit!;
    if (this.#content?.commit !== commit)
      this.#content = { commit, files: this.#request.hub.open(this.#request.repository, commit) };
    return this.#content.files;
  }

  async #download(name: string, path: string, { bytes, sha256: expected }: WrittenFile) {
    const source = await (await this.content()).open(name);
    const handle = await open(path, "w");
    const hash = createHash("sha256");
    try {
      for (let at = 0; at < bytes; at += chunk) {
        const some = await source.read(at, Math.min(chunk, bytes - at));
        hash.update(some);
        await handle.writeFile(some);
      }
    } finally {
      await handle.close();
    }
    const found = hash.digest("hex");
    if (found === expected) return;
    await rm(path, { force: true });
    throw new OqeError(
      "NETWORK",
      `${source.name} is not the file that was staged: SHA-256 ${found}, expected ${expected}`,
      `Run again. If it stays so, remove the branch ${stagingBranch} and start anew.`,
    );
  }
}

/** Bytes that are read at once. */
const chunk = 8 << 20;
/** Of a commit, in characters. */
const longestTitle = 200;

function entryPath(number: number): string {
  return `${workFolder}/${String(number).padStart(5, "0")}.json`;
}

function numberOf(path: string): number {
  return Number(/(\d+)\.json$/.exec(path)![1]);
}

function pieceOf(path: string): string {
  return path.replace(/\.json$/, ".bin");
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Name of the recipe whose work the branch holds; null: it does not say. */
async function readRecipe({ content, files }: Branch): Promise<string | null> {
  if (!files.has(recipeFile)) return null;
  return (await readValue(content, recipeFile, recipeSchema))?.recipe ?? null;
}

/**
 * The records on the branch, in their order. One that cannot be read, or whose files are not there,
 * ends the list: the parts from there on are made again.
 */
async function readEntries({ content, files }: Branch): Promise<StagedEntry[]> {
  const found: StagedEntry[] = [];
  const isThere = (path: string, { bytes, sha256: hash }: WrittenFile) => {
    const listed = files.get(path);
    return listed?.size === bytes && (listed.sha256 === null || listed.sha256 === hash);
  };
  for (let path = entryPath(0); files.has(path); path = entryPath(numberOf(path) + 1)) {
    const entry = await readValue(content, path, entrySchema);
    if (entry === null) break;
    const { shards, piece } = entry;
    const isComplete =
      Object.entries(shards).every(
        ([name, written]) => isThere(name, written) && files.get(name)?.sha256 === written.sha256,
      ) &&
      (piece === null || isThere(pieceOf(path), piece.file));
    if (!isComplete) break;
    found.push({ path, ...entry });
  }
  return found;
}

/** Largest record that is read, in bytes. Those of a large model have some megabytes. */
const largest = 64 << 20;

/** The value of a record; null for one that says something else. Throws errors of the Hub. */
async function readValue<const S extends v.GenericSchema>(
  content: Repository,
  path: string,
  schema: S,
): Promise<v.InferOutput<S> | null> {
  const document = { where: `${stagingBranch}/${path}`, code: "BAD_INPUT", hint: "" } as const;
  try {
    return parse(schema, readJson(await readText(content, path, largest), document), document);
  } catch (error) {
    return unreadable(error);
  }
}

/** null for a file that says something else or is too large. Throws other errors. */
function unreadable(error: unknown): null {
  if (error instanceof OqeError && ["BAD_INPUT", "BAD_CHECKPOINT"].includes(error.code))
    return null;
  throw error;
}
