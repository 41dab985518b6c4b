import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Report } from "../ground/report.ts";
import { placesOf, type ShardLayout } from "../mlx/layout.ts";
import type { ShardWriter, WrittenFile } from "../mlx/shard-writer.ts";
import { readTensor, type WrittenPart } from "./part-journal.ts";
import type { StagedChange } from "./staged-records.ts";
import type { StagedTier } from "./staged-tier.ts";

/** Bytes that are copied at once. */
const chunk = 4 << 20;
/** Changes that may wait while the Hub is away: with more, the disk could fill. */
const mostWaiting = 3;

export interface StagerRequest {
  readonly folder: string;
  readonly layouts: readonly ShardLayout[];
  readonly staged: StagedTier;
  readonly writer: ShardWriter;
  /** The shards that this run has completed so far. */
  readonly complete: Readonly<Record<string, WrittenFile>>;
  readonly report: Pick<Report, "info">;
}

interface Waiting {
  readonly change: StagedChange;
  readonly piece: string;
}

/** Sends what is finished of a tier to its staging branch, while the run goes on. */
export class Stager {
  readonly #request: StagerRequest;
  readonly #places: ReturnType<typeof placesOf>;
  readonly #waiting: Waiting[] = [];
  /** Shards that are on the branch or wait to be sent. */
  readonly #taken: Set<string>;
  #sending: Promise<void> | null = null;
  /** The last block that all riders have passed; null: none in this walk. */
  #passed: number | null = null;
  #pieces = 0;

  constructor(request: StagerRequest) {
    this.#request = request;
    this.#places = placesOf(request.layouts);
    this.#taken = new Set(Object.keys(request.staged.shards));
  }

  /**
   * Takes over some finished parts and the shards that are complete now. They are sent while the
   * run goes on; those of the call before must have been sent, so that a kill costs one block at
   * most. Removes shards from the disk that are on the branch and that no rider needs before the
   * next walk: `layer` is the block that all have passed, null is none.
   */
  async add(parts: readonly WrittenPart[], layer: number | null): Promise<void> {
    await this.#send().catch((error: unknown) => {
      if (this.#waiting.length >= mostWaiting) throw error;
      this.#tellLater(error);
    });
    await this.#queue(parts);
    this.#passed = layer;
    void this.#send().catch(this.#tellLater);
  }

  /** What could not be sent is sent at the next call. */
  readonly #tellLater = (error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    this.#request.report.info(`not staged yet: ${why}`);
  };

  /** Sends all that waits. Throws the error that prevents it. */
  async end(): Promise<void> {
    await this.#queue([]);
    while (this.#waiting.length > 0) await this.#send();
  }

  async #queue(parts: readonly WrittenPart[]): Promise<void> {
    const { complete } = this.#request;
    const shards = Object.fromEntries(
      Object.entries(complete).filter(([file]) => !this.#taken.has(file)),
    );
    if (parts.length === 0 && Object.keys(shards).length === 0) return;
    for (const file of Object.keys(shards)) this.#taken.add(file);
    const open = parts
      .flatMap(({ part }) => part.tensors)
      .filter((tensor) => !this.#taken.has(this.#places.get(tensor)!.file));
    const piece = join(dirname(this.#request.folder), `piece-${this.#pieces++}.bin`);
    const file = open.length === 0 ? null : await this.#writePiece(open, piece);
    const change = { parts, shards, piece: file && { tensors: open, file } };
    this.#waiting.push({ change, piece });
  }

  /** Sends the changes that wait, in their order. One call at a time does. */
  #send(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    const { staged, folder } = this.#request;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      await staged.add(next.change, folder, next.piece);
      await rm(next.piece, { force: true });
      this.#waiting.shift();
    }
    if (this.#passed !== null) await this.#leave(this.#passed);
  }

  /** Removes shards that are on the branch and have no tensor behind the block or outside. */
  async #leave(layer: number): Promise<void> {
    const { staged, layouts, writer } = this.#request;
    const sent = staged.shards;
    for (const { file, tensors } of layouts) {
      const isPassed = tensors.every((tensor) => tensor.layer !== null && tensor.layer <= layer);
      if (!isPassed || !Object.hasOwn(sent, file)) continue;
      await writer.leave(file, (path) => staged.fetch(file, path));
    }
  }

  /** Copies tensors to a file, one after the other. */
  async #writePiece(tensors: readonly string[], path: string): Promise<WrittenFile> {
    const { writer } = this.#request;
    const hash = createHash("sha256");
    const handle = await open(path, "w");
    let size = 0;
    try {
      for (const name of tensors) {
        const { bytes } = this.#places.get(name)!;
        for await (const some of readTensor(writer, name, bytes)) {
          hash.update(some);
          await handle.writeFile(some);
        }
        size += bytes;
      }
    } finally {
      await handle.close();
    }
    return { bytes: size, sha256: hash.digest("hex") };
  }
}

/** Copies the tensors of a piece to their places. */
export async function restorePiece(
  path: string,
  tensors: readonly string[],
  { layouts, writer }: Pick<StagerRequest, "layouts" | "writer">,
): Promise<void> {
  const places = placesOf(layouts);
  const handle = await open(path, "r");
  try {
    let from = 0;
    for (const name of tensors) {
      const { bytes } = places.get(name)!;
      for (let at = 0; at < bytes; at += chunk) {
        const some = new Uint8Array(Math.min(chunk, bytes - at));
        await handle.read(some, 0, some.length, from + at);
        await writer.write(name, at, some);
      }
      from += bytes;
    }
  } finally {
    await handle.close();
  }
}
