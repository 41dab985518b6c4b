import { createHash } from "node:crypto";
import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { ReadNotes } from "../checkpoint/checkpoint.ts";
import { makeFolder } from "../ground/disk.ts";
import { pieces } from "../ground/pieces.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { Report } from "../ground/report.ts";
import { count, list, object, sha256 } from "../ground/schema.ts";
import { readSealed, writeSealed } from "../ground/sealed-json.ts";
import { bytesOf, type Matrix, newMatrix } from "../kernel/matrix.ts";
import { type SavedWalk, savedValues, type WalkLog } from "../sensitivity/saved-walk.ts";
import { digestsSchema } from "./part-journal.ts";
import type { StagedMeasurement } from "./staged-measurement.ts";
import { isUnreachable } from "./staging-claim.ts";

/** What is saved of a walk beside the hidden states, which are in a file of their own. */
const savedSchema = object({
  ...savedValues,
  /** Rows and columns of the hidden states. */
  shapes: list(v.tuple([count, count])),
  /** Of the hidden states. */
  sha256,
  /** What was read of the base so far. */
  read: list(digestsSchema),
});
type Saved = v.InferOutput<typeof savedSchema>;

/** Largest record that is read, in bytes. Those of a large model have some megabytes. */
const largest = 256 << 20;

/** Bytes that are written or read at once. */
const pieceBytes = 16 << 20;

export interface WalkPlace {
  readonly folder: string;
  /** What is read of the base. */
  readonly notes: ReadNotes;
  /** Called when a block is saved. May throw, to stop the run. */
  readonly stop: (layer: number) => Promise<void> | void;
  /** Where it is saved beside the disk; null: nowhere. Default: nowhere. */
  readonly staged?: StagedMeasurement | null;
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
    const names = await readdir(this.#place.folder).catch(() => []);
    const here = names.flatMap((name) => {
      const [, layer] = /^(\d+)\.json$/.exec(name) ?? [];
      return layer === undefined ? [] : [Number(layer)];
    });
    const staged = this.#place.staged?.layer ?? null;
    const layers = new Set([...here, ...(staged === null ? [] : [staged])]);
    for (const layer of [...layers].toSorted((a, b) => b - a)) {
      const own = await this.#load(layer).catch(() => null);
      const saved = own === null && layer === staged ? await this.#fetch(layer) : own;
      if (saved === null) continue;
      this.#place.report.info(`an earlier run measured ${layer + 1} blocks`);
      return saved;
    }
    return null;
  }

  /** The walk on the staging branch. Throws NETWORK. */
  async #fetch(layer: number): Promise<SavedWalk | null> {
    const { folder, staged, report } = this.#place;
    const paths = { record: this.#record(layer), states: this.#states(layer) };
    try {
      await makeFolder(folder);
      return (await staged!.fetch(paths)) ? await this.#load(layer) : null;
    } catch (error) {
      if (isUnreachable(error)) throw error;
      report.warn(
        `what an earlier run measured cannot be brought to ${folder}: ${reasonOf(error)}`,
      );
      return null;
    }
  }

  async save(walk: SavedWalk): Promise<void> {
    const { folder, report, stop } = this.#place;
    if (this.#isUsable)
      await this.#save(walk).catch(async (error) => {
        this.#isUsable = false; // the measurement itself needs no disk
        report.warn(`what is measured cannot be kept in ${folder}: ${reasonOf(error)}`);
        await this.close();
      });
    await stop(walk.layer);
  }

  async #save({ layer, values, states }: SavedWalk): Promise<void> {
    const { folder, notes, staged = null } = this.#place;
    await makeFolder(folder);
    const hash = await this.#writeStates(layer, states);
    const shapes = states.map(({ rows, columns }): [number, number] => [rows, columns]);
    this.#read = [...this.#read, ...notes.takeDigests(this)];
    const saved: Saved = { layer, values, shapes, sha256: hash, read: this.#read };
    const partial = join(folder, `${layer}.partial`);
    const record = writeSealed(saved);
    await writeFlushed(partial, [new TextEncoder().encode(record)]);
    await rename(partial, this.#record(layer));
    const bytes = states.reduce((sum, { data }) => sum + data.byteLength, 0);
    staged?.offer({ layer, record, states: { file: this.#states(layer), bytes, sha256: hash } });
    const kept = [layer, staged?.sending ?? layer].map(String);
    for (const old of await readdir(folder))
      if (!kept.includes(old.split(".")[0]!)) await rm(join(folder, old), { force: true });
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
    const parts = states.flatMap(({ data }) => piecesOf(bytesOf(data)));
    for (const part of parts) hash.update(part);
    await writeFlushed(this.#states(layer), parts);
    return hash.digest("hex");
  }

  async #load(layer: number): Promise<SavedWalk | null> {
    if ((await stat(this.#record(layer))).size > largest) return null;
    const record = readSealed(await readFile(this.#record(layer), "utf8"));
    const { success, output } = v.safeParse(savedSchema, record);
    if (!success || output.layer !== layer) return null;
    const states = await this.#readStates(layer, output);
    if (states === null || !this.#place.notes.recall(output.read)) return null;
    return { layer, values: output.values, states };
  }

  /** null for a file of another size or hash. The size is compared before memory is taken. */
  async #readStates(
    layer: number,
    { shapes, sha256: expected }: Saved,
  ): Promise<readonly Matrix[] | null> {
    const hash = createHash("sha256");
    const handle = await open(this.#states(layer), "r");
    try {
      const bytes = shapes.reduce((sum, [rows, columns]) => sum + 4 * rows * columns, 0);
      if ((await handle.stat()).size !== bytes) return null;
      const states: Matrix[] = [];
      for (const [rows, columns] of shapes) {
        const x = newMatrix(rows, columns);
        for (const piece of piecesOf(bytesOf(x.data))) {
          const { bytesRead } = await handle.read(piece, 0, piece.length, null);
          if (bytesRead < piece.length) return null;
          hash.update(piece);
        }
        states.push(x);
      }
      return hash.digest("hex") === expected ? states : null;
    } finally {
      await handle.close();
    }
  }
}

function piecesOf(bytes: Uint8Array<SharedArrayBuffer>): Uint8Array<SharedArrayBuffer>[] {
  return pieces(bytes.length, pieceBytes).map(([start, end]) => bytes.subarray(start, end));
}

/** Writes a file and flushes it to the disk. */
async function writeFlushed(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const handle = await open(path, "w");
  try {
    for (const part of parts) await handle.writeFile(part);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
