import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { StagedFile } from "../hub/hub-types.ts";
import type { WrittenFile } from "../mlx/shard-writer.ts";
import { download } from "./download.ts";
import {
  claimFile,
  entryPath,
  measurementFiles,
  numberOf,
  pieceOf,
  readEntries,
  readRecipe,
  readRecord,
  receiptFile,
  recipeFile,
  type StagedChange,
  type StagedEntry,
  stagingBranch,
  workFolder,
} from "./staged-records.ts";
import { type Expects, refuseLiveClaim, StagingClaim, type StagingPlace } from "./staging-claim.ts";

export interface StagedTierRequest extends StagingPlace {
  /** Name of the recipe (digestOf). */
  readonly recipe: string;
  readonly report: Pick<Report, "info">;
}

/**
 * The unfinished work on a tier, on a branch of its repository: complete shards at their places,
 * and for every commit a record of the parts that it added. Tensors of these parts whose shard is
 * not complete lie one after the other in a file, the piece of the commit. So a machine with an
 * empty disk goes on with it. Main is not changed, nor what is measured (StagedMeasurement).
 */
export class StagedTier {
  readonly #request: StagedTierRequest;
  readonly #entries: StagedEntry[];
  readonly #claim: StagingClaim;
  /** Head of the branch; null: there is none. */
  #commit: string | null;
  /** The commit that is being made. It never rejects. */
  #last: Promise<void> = Promise.resolve();
  /** Files of the branch that are of other work: the next commit removes them. */
  #stale: readonly string[];
  readonly #branch: string;
  /** The files of a commit. */
  #content: { readonly commit: string; readonly files: Promise<Repository> } | null = null;

  private constructor(request: StagedTierRequest, found: FoundWork) {
    this.#request = request;
    this.#commit = found.commit;
    this.#entries = found.entries;
    this.#stale = found.stale;
    this.#claim = new StagingClaim(request.draft);
    this.#branch = request.branch ?? stagingBranch;
  }

  /**
   * Reads what the branch holds. Work of another recipe is removed by the next commit. Throws
   * CONFLICT if the run that makes it has not ended.
   */
  static async open(request: StagedTierRequest): Promise<StagedTier> {
    const { hub, repository, recipe, report } = request;
    const branch = await hub.readBranch(repository, request.branch ?? stagingBranch);
    if (branch === null) return new StagedTier(request, { commit: null, entries: [], stale: [] });
    const { commit, files } = branch;
    if ((await readRecipe(branch)) === recipe)
      return new StagedTier(request, { commit, entries: await readEntries(branch), stale: [] });
    await refuseLiveClaim(request, branch);
    const stale = [...files.keys()].filter(isTierWork);
    if (stale.length > 0)
      report.info(`${repository}: its staging branch has work of another recipe; it is removed`);
    return new StagedTier(request, { commit, entries: [], stale });
  }

  /** Tells other runs that this one has ended. */
  async release(): Promise<void> {
    await this.#last;
    if (this.#commit !== null && this.#claim.isMade) await this.#stage([], "Stop", "nothing");
  }

  /** The complete shards on the branch. */
  get shards(): Readonly<Record<string, WrittenFile>> {
    return Object.fromEntries(this.#entries.flatMap(({ shards }) => Object.entries(shards)));
  }

  /** What the branch holds, commit by commit; of those of this run without the parts. */
  get entries(): readonly StagedEntry[] {
    return this.#entries;
  }

  /** Forgets the entries from the first on that is not of this tier: the parts are made again. */
  keepFitting(fits: (entry: StagedEntry) => boolean): void {
    const wrong = this.#entries.findIndex((entry) => !fits(entry));
    if (wrong === -1) return;
    const dropped = this.#entries.splice(wrong);
    this.#stale = [...this.#stale, ...dropped.flatMap(({ path }) => [path, pieceOf(path)])];
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
    const last = this.#entries.at(-1)?.path ?? null;
    const path = entryPath(last === null ? 0 : numberOf(last) + 1);
    const files: StagedFile[] = Object.entries(change.shards).map(([name, written]) => {
      return { path: name, file: join(folder, name), ...written };
    });
    if (change.piece !== null)
      files.push({ path: pieceOf(path), file: piece, ...change.piece.file });
    files.push({ path, content: utf8(JSON.stringify(change)) });
    const names = [...change.parts.map(({ part }) => part.name), ...Object.keys(change.shards)];
    await this.#stage(files, `Stage ${names.join(", ")}`.slice(0, longestTitle));
    this.#entries.push({ path, ...change, parts: [] }); // records of this run do not stay in memory
  }

  /** Makes a commit behind those that are being made. `expects`: what comes next. */
  #stage(files: readonly StagedFile[], title: string, expects?: Expects): Promise<void> {
    const made = this.#last.then(() => this.#commitFiles(files, title, expects));
    this.#last = made.catch(() => {});
    return made;
  }

  async #commitFiles(own: readonly StagedFile[], title: string, expects?: Expects): Promise<void> {
    const { hub, repository, recipe, private: isPrivate } = this.#request;
    const named = { path: recipeFile, content: utf8(JSON.stringify({ recipe })) };
    const files = [...own, named, await this.#claim.sign(expects)]; // the same name is not sent
    const added = new Set(files.map(({ path }) => path));
    const { commit } = await hub.stage({
      ...{ repository, branch: this.#branch, private: isPrivate, parent: this.#commit, title },
      files,
      deleted: this.#stale.filter((path) => !added.has(path)),
    });
    this.#claim.sent();
    this.#commit = commit;
    this.#stale = [];
  }

  /** The receipt of a tier that is finished; null: it is not. */
  async receipt(): Promise<string | null> {
    if (this.#commit === null || this.#stale.includes(receiptFile)) return null;
    const content = await this.content();
    return content.files.has(receiptFile) ? readRecord(content, receiptFile) : null;
  }

  /** Adds the receipt: all shards are on the branch, and the tier is evaluated. */
  async finish(receipt: string): Promise<void> {
    const file = { path: receiptFile, content: utf8(receipt) };
    await this.#stage([file], "Stage the receipt", "seal");
  }

  /** Removes the branch, if there is one. */
  async discard(): Promise<void> {
    if (this.#commit === null) return;
    await this.#request.hub.removeBranch(this.#request.repository, this.#branch);
    this.#commit = null;
    this.#stale = [];
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
    const found = await download(source, path, bytes);
    if (found === expected) return;
    await rm(path, { force: true });
    throw new OqeError(
      "NETWORK",
      `${source.name} is not the file that was staged: SHA-256 ${found}, expected ${expected}`,
      `Run again. If it stays so, remove the branch ${this.#branch} and start anew.`,
    );
  }
}

/** What the branch holds of a tier. */
interface FoundWork {
  readonly commit: string | null;
  readonly entries: StagedEntry[];
  readonly stale: readonly string[];
}

const keptFiles = new Set([claimFile, ...Object.values(measurementFiles)]);

/** Whether a file of the branch is a record or a piece of a tier's work. */
function isTierWork(path: string): boolean {
  return path.startsWith(`${workFolder}/`) && !keptFiles.has(path);
}

/** Of a commit, in characters. */
const longestTitle = 200;

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
