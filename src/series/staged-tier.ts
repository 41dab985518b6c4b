import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub, StagedFile } from "../hub/hub-types.ts";
import type { WrittenFile } from "../mlx/shard-writer.ts";
import {
  entryPath,
  numberOf,
  pieceOf,
  readEntries,
  readRecipe,
  readRecord,
  receiptFile,
  recipeFile,
  type StagedChange,
  type StagedEntry,
} from "./staged-records.ts";

/** Branch of a tier's repository that holds its unfinished work. */
export const stagingBranch = "oqe-staging";

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
    return content.files.has(receiptFile) ? readRecord(content, receiptFile) : null;
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

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
