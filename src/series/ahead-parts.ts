import { createHash } from "node:crypto";
import type { ReadNotes } from "../checkpoint/checkpoint.ts";
import { OqeError } from "../ground/errors.ts";
import { pieces } from "../ground/pieces.ts";
import type { Report } from "../ground/report.ts";
import type { Branch } from "../hub/hub-types.ts";
import { placesOf, type ShardLayout } from "../mlx/layout.ts";
import type { ShardWriter } from "../mlx/shard-writer.ts";
import type { PartRecord } from "../quantize/part-record.ts";
import type { WrittenPart } from "./part-journal.ts";
import { entryFits } from "./staged-fit.ts";
import {
  aheadBranch,
  type KnownEntries,
  pieceOf,
  readEntries,
  readRecipe,
  type StagedEntry,
} from "./staged-records.ts";
import { isUnreachable, readStaging, type StagingPlace } from "./staging-claim.ts";

/** Bytes that are read at once. */
const chunk = 8 << 20;

export interface AheadRequest extends Pick<StagingPlace, "hub" | "repository"> {
  /** Name of the recipe (digestOf). */
  readonly recipe: string;
  readonly report: Pick<Report, "info">;
}

/** The tier that the parts are of. */
export interface AheadTier {
  readonly layouts: readonly ShardLayout[];
  readonly fits: (part: PartRecord) => boolean;
  readonly writer: ShardWriter;
  readonly notes: ReadNotes;
}

/**
 * Parts of a tier that another job makes ahead of this one, on a branch of its own. This run only
 * reads it. What is missing, damaged or of something else is made here.
 */
export class AheadParts {
  readonly #request: AheadRequest;
  readonly #known: KnownEntries = new Map();
  #head: Branch | null = null;
  #entries: readonly StagedEntry[] = [];
  /** Entries whose digests of the base were taken over. */
  #recalled = 0;
  #isRefused = false;

  constructor(request: AheadRequest) {
    this.#request = request;
  }

  /**
   * Looks whether the part is there by now, and brings its tensors to their places in the shards,
   * where they count once they are restored. null: it is to be made.
   */
  async take(name: string, tier: AheadTier): Promise<WrittenPart | null> {
    try {
      await this.#look(tier);
      const found = this.#find(name);
      if (found === null || !this.#recall(found.entry, tier)) return null;
      return (await this.#fill(found, tier)) ? found.part : null;
    } catch (error) {
      if (!isUnreachable(error) && !isGone(error)) throw error;
      this.#request.report.info(`${name} is made here: the Hub does not give it`);
      return null;
    }
  }

  /** Removes the branch: its parts follow from wrong bytes of the base. */
  async discard(): Promise<void> {
    const { hub, repository } = this.#request;
    this.#isRefused = true;
    if (this.#head !== null) await hub.removeBranch(repository, aheadBranch);
  }

  async #look({ layouts, fits }: AheadTier): Promise<void> {
    const { hub, repository, recipe } = this.#request;
    const branch = await readStaging(hub, repository, aheadBranch);
    if (branch?.commit === this.#head?.commit) return;
    this.#head = branch;
    const isOurs = branch !== null && (await readRecipe(branch)) === recipe;
    const entries = isOurs ? await readEntries(branch, this.#known) : [];
    const entryIsOurs = entryFits({ layouts, fits });
    const wrong = entries.findIndex((entry) => !entryIsOurs(entry));
    this.#entries = wrong === -1 ? entries : entries.slice(0, wrong);
  }

  #find(name: string): FoundPart | null {
    for (const entry of this.#entries) {
      const part = entry.parts.find((one) => one.part.name === name);
      if (part !== undefined) return { entry, part };
    }
    return null;
  }

  /**
   * Takes over what the other job read of the base up to an entry. False if this run read something
   * else.
   */
  #recall(entry: StagedEntry, { notes }: AheadTier): boolean {
    const end = this.#entries.indexOf(entry) + 1;
    const fresh = this.#entries.slice(this.#recalled, end);
    const read = fresh.flatMap(({ parts }) => parts.flatMap((part) => part.read));
    if (this.#isRefused || !notes.recall(read)) {
      this.#isRefused = true;
      return false;
    }
    this.#recalled = Math.max(this.#recalled, end);
    return true;
  }

  /** False if the bytes are not those that were staged. */
  async #fill({ entry, part }: FoundPart, { layouts, writer }: AheadTier): Promise<boolean> {
    const places = placesOf(layouts);
    const inPiece = new Map<string, number>();
    let end = 0;
    for (const name of entry.piece?.tensors ?? []) {
      inPiece.set(name, end);
      end += places.get(name)!.bytes;
    }
    const hash = createHash("sha256");
    for (const name of part.part.tensors) {
      const { file, offset, bytes } = places.get(name)!;
      const at = inPiece.get(name);
      const path = at === undefined ? file : pieceOf(entry.path);
      const source = await this.#head!.content.open(path);
      for (const [from, to] of pieces(bytes, chunk)) {
        const some = await source.read((at ?? offset) + from, to - from);
        hash.update(some);
        await writer.fill(name, from, some);
      }
    }
    if (hash.digest("hex") === part.sha256) return true;
    const { repository, report } = this.#request;
    report.info(`${repository}: ${part.part.name} is not what was staged, so it is made here`);
    return false;
  }
}

/** Whether the commit or its branch was removed meanwhile. */
function isGone(error: unknown): boolean {
  return error instanceof OqeError && error.code === "NOT_FOUND";
}

interface FoundPart {
  readonly entry: StagedEntry;
  readonly part: WrittenPart;
}
