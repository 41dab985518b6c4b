import { createHash } from "node:crypto";
import * as v from "valibot";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { count, line, object } from "../ground/schema.ts";
import { readSealed, writeSealed } from "../ground/sealed-json.ts";
import type { Branch, StagedFile } from "../hub/hub-types.ts";
import type { WrittenFile } from "../mlx/shard-writer.ts";
import { download } from "./download.ts";
import {
  isListed,
  measurementFiles,
  readRecord,
  stagedFile,
  stagingBranch,
} from "./staged-records.ts";
import {
  type Expects,
  isRefused,
  isUnreachable,
  readStaging,
  refuseLiveClaim,
  StagingClaim,
  type StagingPlace,
} from "./staging-claim.ts";

export interface StagedMeasurementRequest extends StagingPlace {
  /** Names all that the measurement follows from. */
  readonly recipe: string;
  readonly report: Pick<Report, "info" | "warn">;
}

/** What the branch holds of a measurement, sealed: each file with its SHA-256. */
const manifestSchema = object({
  recipe: line,
  /** The walk behind a block; null: it is finished. */
  walk: v.nullable(object({ layer: count, record: stagedFile, states: stagedFile })),
  sensitivity: v.nullable(stagedFile),
});
type Manifest = v.InferOutput<typeof manifestSchema>;

/** A saved walk on the disk: its record, and the file of its hidden states. */
export interface WalkFiles {
  readonly layer: number;
  readonly record: string;
  readonly states: WrittenFile & { readonly file: string };
}

/** Paths on the disk. */
export interface WalkPaths {
  readonly record: string;
  readonly states: string;
}

const { manifest: manifestPath, walk, states, sensitivity } = measurementFiles;

/**
 * A measurement on the staging branch of a tier's repository: the walk behind its last block, and
 * in the end the sensitivity. So a machine with an empty disk goes on with it. Nothing else on the
 * branch is changed. It helps the next run only: if it cannot be staged, this run goes on.
 */
export class StagedMeasurement {
  readonly #request: StagedMeasurementRequest;
  readonly #claim: StagingClaim;
  #branch: Branch | null;
  /** Head of the branch; null: there is none. */
  #commit: string | null;
  #found: Manifest | null;
  /** What this run put there last. */
  #made: Manifest | null = null;
  #isUsable: boolean;
  #newest: WalkFiles | null = null;
  /** The walk that is being sent. It never rejects. */
  #sending: { readonly layer: number; readonly done: Promise<void> } | null = null;

  private constructor(
    request: StagedMeasurementRequest,
    branch: Branch | null,
    found: Manifest | null,
  ) {
    this.#request = request;
    this.#branch = branch;
    this.#commit = branch?.commit ?? null;
    this.#found = found;
    this.#claim = new StagingClaim(request.draft);
    this.#isUsable = request.readsOnly !== true;
  }

  /** Throws CONFLICT if it is to be written, and a run with other inputs works on the branch. */
  static async open(request: StagedMeasurementRequest): Promise<StagedMeasurement> {
    const { hub, repository, recipe } = request;
    const branch = await readStaging(hub, repository);
    if (branch === null) return new StagedMeasurement(request, null, null);
    if (request.readsOnly !== true) await refuseLiveClaim(request, branch);
    const found = await readManifest(branch);
    return new StagedMeasurement(request, branch, found?.recipe === recipe ? found : null);
  }

  get repository(): string {
    return this.#request.repository;
  }

  /** The block that the walk on the branch is behind; null: there is no walk. */
  get layer(): number | null {
    return this.#found?.walk?.layer ?? null;
  }

  /** The block whose files are being sent from the disk; null: none. */
  get sending(): number | null {
    return this.#sending?.layer ?? null;
  }

  /** The sensitivity on the branch; null: there is none, or it is damaged. */
  async sensitivity(): Promise<string | null> {
    const written = this.#found?.sensitivity ?? null;
    if (written === null || !isListed(this.#branch!.files, sensitivity, written)) return null;
    const text = await readRecord(this.#branch!.content, sensitivity);
    return text !== null && fileOf(text).sha256 === written.sha256 ? text : null;
  }

  /** Brings the walk to the disk. False if it is damaged. */
  async fetch(paths: WalkPaths): Promise<boolean> {
    const found = this.#found?.walk;
    if (found == null) return false;
    return (
      (await this.#bring(walk, paths.record, found.record)) &&
      (await this.#bring(states, paths.states, found.states))
    );
  }

  async #bring(path: string, to: string, written: WrittenFile): Promise<boolean> {
    const { files, content } = this.#branch!;
    if (!isListed(files, path, written)) return false;
    return (await download(await content.open(path), to, written.bytes)) === written.sha256;
  }

  /**
   * Sends a walk in the background, unless an earlier one is still being sent. Its files must stay
   * on the disk meanwhile.
   */
  offer(files: WalkFiles): void {
    this.#newest = files;
    if (this.#sending === null) this.#send(files);
  }

  #send(files: WalkFiles): void {
    const done = this.#sendWalk(files).finally(() => {
      this.#sending = null;
    });
    this.#sending = { layer: files.layer, done };
  }

  async #sendWalk(files: WalkFiles): Promise<void> {
    const { layer, record } = files;
    const { file, bytes, sha256 } = files.states;
    const content = utf8(record);
    const found = { walk: { layer, record: fileOf(record), states: { bytes, sha256 } } };
    const added = [
      { path: walk, content },
      { path: states, file, bytes, sha256 },
    ];
    const change = { added, deleted: [sensitivity] };
    const isSent = await this.#stage({ ...found, sensitivity: null }, change);
    if (isSent && this.#newest === files) this.#newest = null;
  }

  /** Waits for what is being sent, then sends the newest walk if it is not on the branch yet. */
  async settle(): Promise<void> {
    await this.#sending?.done;
    if (this.#newest === null) return;
    this.#send(this.#newest);
    await this.#sending!.done;
  }

  /** Waits for what is being sent. */
  async idle(): Promise<void> {
    await this.#sending?.done;
  }

  /** Waits for what is being sent, then tells other runs that this one has ended. */
  async release(): Promise<void> {
    await this.idle();
    if (this.#made !== null) await this.#stage(this.#made, { ...noChange, expects: "nothing" });
  }

  /** Puts the sensitivity in the place of the walk. */
  async finish(text: string): Promise<void> {
    await this.idle();
    const added = [{ path: sensitivity, content: utf8(text) }];
    const change = { added, deleted: [walk, states], expects: "nothing" } as const;
    await this.#stage({ walk: null, sensitivity: fileOf(text) }, change);
  }

  /** Removes the measurement: it was made from other bytes of the base. */
  async discard(): Promise<void> {
    await this.idle();
    const deleted = Object.values(measurementFiles);
    if (this.#commit === null) return;
    await this.#stage(null, { ...noChange, deleted, expects: "nothing" });
  }

  /** True if the commit was made. Tells why not, and does not try again if that is for good. */
  async #stage(
    found: Omit<Manifest, "recipe"> | null,
    { added, ...change }: Change,
  ): Promise<boolean> {
    if (!this.#isUsable) return false;
    const { recipe, report } = this.#request;
    const manifest: Manifest | null = found && { ...found, recipe };
    const text = manifest && writeSealed(manifest);
    const own = text === null ? [] : [{ path: manifestPath, content: utf8(text) }];
    try {
      await this.#commitFiles({ ...change, added: [...added, ...own] });
      this.#made = manifest;
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#isUsable = isUnreachable(error);
      const tell = (line: string) => (isRefused(error) ? report.info(line) : report.warn(line));
      if (this.#isUsable) report.info(`not staged yet: ${why}`);
      else tell(`what is measured is kept on the disk only: ${why}`);
      return false;
    }
  }

  async #commitFiles({ added, deleted, expects }: Change): Promise<void> {
    const { hub, repository, private: isPrivate } = this.#request;
    const stage = async () =>
      hub.stage({
        ...{ repository, branch: stagingBranch, private: isPrivate, deleted },
        files: [...added, await this.#claim.sign(expects)],
        ...{ parent: this.#commit, title: "Stage the measurement" },
      });
    const { commit } = await stage().catch(async (error: unknown) => {
      // A commit of this run may have been made although its answer was lost.
      const isMoved = error instanceof OqeError && error.code === "CONFLICT";
      const branch = isMoved ? await hub.readBranch(repository, stagingBranch) : null;
      if (branch === null || !(await this.#claim.isOn(branch))) throw error;
      this.#commit = branch.commit;
      return stage();
    });
    this.#claim.sent();
    this.#commit = commit;
  }
}

/** A commit: its files, and what comes behind it (default: another block). */
interface Change {
  readonly added: readonly StagedFile[];
  readonly deleted: readonly string[];
  readonly expects?: Expects;
}
const noChange: Change = { added: [], deleted: [] };

/** null for a manifest that was not written so. */
async function readManifest({ content, files }: Branch): Promise<Manifest | null> {
  if (!files.has(manifestPath)) return null;
  const text = (await readRecord(content, manifestPath)) ?? "";
  const { success, output } = v.safeParse(manifestSchema, readSealed(text));
  return success ? output : null;
}

function fileOf(text: string): WrittenFile {
  const bytes = utf8(text);
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
