import { createHash } from "node:crypto";
import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, onDisk } from "../ground/disk.ts";
import { bytesOf, type Matrix, newMatrix } from "../kernel/matrix.ts";
import type { SavedWalk, WalkLog } from "../sensitivity/saved-walk.ts";

/** What is saved of a walk beside the hidden states, which are in a file of their own. */
interface Saved extends Omit<SavedWalk, "states"> {
  readonly shapes: readonly (readonly [rows: number, columns: number])[];
  /** Of the hidden states. */
  readonly sha256: string;
}

/** Bytes that are written or read at once. */
const pieceBytes = 16 << 20;

/**
 * Keeps a measuring walk in a folder: the hidden states behind the last block, and a record that is
 * written after them. `stop` is called after that, and may throw.
 */
export class WalkCheckpoint implements WalkLog {
  readonly #folder: string;
  readonly #stop: (layer: number) => void;

  constructor(folder: string, stop: (layer: number) => void = () => {}) {
    this.#folder = folder;
    this.#stop = stop;
  }

  /** The last block whose record and hidden states are whole. */
  async load(): Promise<SavedWalk | null> {
    const layers = (await readdir(this.#folder).catch(() => [])).flatMap((name) => {
      const [, layer] = /^(\d+)\.json$/.exec(name) ?? [];
      return layer === undefined ? [] : [Number(layer)];
    });
    for (const layer of layers.toSorted((a, b) => b - a)) {
      const saved = await this.#read(layer).catch(() => null);
      if (saved !== null) return saved;
    }
    return null;
  }

  async save({ layer, values, states }: SavedWalk): Promise<void> {
    const bytes = states.reduce((sum, { data }) => sum + data.byteLength, 0);
    await onDisk(this.#folder, bytes, async () => {
      await makeFolder(this.#folder);
      const sha256 = await this.#writeStates(layer, states);
      const shapes = states.map(({ rows, columns }) => [rows, columns] as const);
      const saved: Saved = { layer, values, shapes, sha256 };
      const partial = join(this.#folder, `${layer}.partial`);
      await writeFlushed(partial, [new TextEncoder().encode(JSON.stringify(saved))]);
      await rename(partial, this.#record(layer));
      for (const old of await readdir(this.#folder))
        if (!old.startsWith(`${layer}.`)) await rm(join(this.#folder, old), { force: true });
    });
    this.#stop(layer);
  }

  /** Removes all. */
  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  #record(layer: number): string {
    return join(this.#folder, `${layer}.json`);
  }

  #states(layer: number): string {
    return join(this.#folder, `${layer}.bin`);
  }

  async #writeStates(layer: number, states: readonly Matrix[]): Promise<string> {
    const hash = createHash("sha256");
    const pieces = states.flatMap(({ data }) => piecesOf(bytesOf(data)));
    for (const piece of pieces) hash.update(piece);
    await writeFlushed(this.#states(layer), pieces);
    return hash.digest("hex");
  }

  async #read(layer: number): Promise<SavedWalk | null> {
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
      return hash.digest("hex") === saved.sha256 ? { ...saved, states } : null;
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
