import { createHash } from "node:crypto";
import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ReadNotes } from "../checkpoint/checkpoint.ts";
import { makeFolder } from "../ground/disk.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { Report } from "../ground/report.ts";
import { bytesOf, type Matrix, newMatrix } from "../kernel/matrix.ts";
import type { SavedWalk, WalkLog } from "../sensitivity/saved-walk.ts";

/** What is saved of a walk beside the hidden states, which are in a file of their own. */
interface Saved extends Omit<SavedWalk, "states"> {
  readonly shapes: readonly (readonly [rows: number, columns: number])[];
  /** Of the hidden states. */
  readonly sha256: string;
  /** What was read of the base so far. */
  readonly read: ReturnType<ReadNotes["takeDigests"]>;
}

/** Bytes that are written or read at once. */
const pieceBytes = 16 << 20;

export interface WalkPlace {
  readonly folder: string;
  /** What is read of the base. */
  readonly notes: ReadNotes;
  /** Called when a block is saved. May throw, to stop the run. */
  readonly stop: (layer: number) => void;
  readonly report: Pick<Report, "info" | "warn">;
}

/**
 * Keeps a measuring walk in a folder: the hidden states behind the last block, and a record that is
 * written after them.
 */
export class WalkCheckpoint implements WalkLog {
  readonly #place: WalkPlace;
  #read: Saved["read"] = [];
  #isUsable = true;

  constructor(place: WalkPlace) {
    this.#place = place;
  }

  /** The last block whose record and hidden states are whole, and were made of the same base. */
  async load(): Promise<SavedWalk | null> {
    const layers = (await readdir(this.#place.folder).catch(() => [])).flatMap((name) => {
      const [, layer] = /^(\d+)\.json$/.exec(name) ?? [];
      return layer === undefined ? [] : [Number(layer)];
    });
    for (const layer of layers.toSorted((a, b) => b - a)) {
      const saved = await this.#load(layer).catch(() => null);
      if (saved === null) continue;
      this.#place.report.info(`an earlier run measured ${layer + 1} blocks`);
      return saved;
    }
    return null;
  }

  async save(walk: SavedWalk): Promise<void> {
    const { folder, report, stop } = this.#place;
    if (this.#isUsable)
      await this.#save(walk).catch(async (error) => {
        this.#isUsable = false; // the measurement itself needs no disk
        report.warn(`what is measured cannot be kept in ${folder}: ${reasonOf(error)}`);
        await this.close();
      });
    stop(walk.layer);
  }

  async #save({ layer, values, states }: SavedWalk): Promise<void> {
    const { folder, notes } = this.#place;
    await makeFolder(folder);
    const sha256 = await this.#writeStates(layer, states);
    const shapes = states.map(({ rows, columns }) => [rows, columns] as const);
    this.#read = [...this.#read, ...notes.takeDigests(this)];
    const saved: Saved = { layer, values, shapes, sha256, read: this.#read };
    const partial = join(folder, `${layer}.partial`);
    await writeFlushed(partial, [new TextEncoder().encode(JSON.stringify(saved))]);
    await rename(partial, this.#record(layer));
    for (const old of await readdir(folder))
      if (!old.startsWith(`${layer}.`)) await rm(join(folder, old), { force: true });
  }

  /** Removes all, as far as the disk lets it. */
  async close(): Promise<void> {
    await rm(this.#place.folder, { recursive: true, force: true }).catch(() => {});
  }

  #record(layer: number): string {
    return join(this.#place.folder, `${layer}.json`);
  }

  #states(layer: number): string {
    return join(this.#place.folder, `${layer}.bin`);
  }

  async #writeStates(layer: number, states: readonly Matrix[]): Promise<string> {
    const hash = createHash("sha256");
    const pieces = states.flatMap(({ data }) => piecesOf(bytesOf(data)));
    for (const piece of pieces) hash.update(piece);
    await writeFlushed(this.#states(layer), pieces);
    return hash.digest("hex");
  }

  async #load(layer: number): Promise<SavedWalk | null> {
    const saved: Saved = JSON.parse(await readFile(this.#record(layer), "utf8"));
    const hash = createHash("sha256");
    const handle = await open(this.#states(layer), "r");
    try {
      const states: Matrix[] = [];
      for (const [rows, columns] of saved.shapes) {
        const x = newMatrix(rows, columns);
        for (const piece of piecesOf(bytesOf(x.data))) {
          const { bytesRead } = await handle.read(piece, 0, piece.length, null);
          if (bytesRead < piece.length) return null;
          hash.update(piece);
        }
        states.push(x);
      }
      if (hash.digest("hex") !== saved.sha256 || !this.#place.notes.recall(saved.read)) return null;
      return { ...saved, states };
    } finally {
      await handle.close();
    }
  }
}

function piecesOf(bytes: Uint8Array<SharedArrayBuffer>): Uint8Array<SharedArrayBuffer>[] {
  const pieces: Uint8Array<SharedArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    pieces.push(bytes.subarray(at, at + pieceBytes));
  return pieces;
}

/** Writes a file and flushes it to the disk. */
async function writeFlushed(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const handle = await open(path, "w");
  try {
    for (const piece of pieces) await handle.writeFile(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
