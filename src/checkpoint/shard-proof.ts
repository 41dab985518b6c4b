import type { Hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { OqeError } from "../ground/errors.ts";
import { AlteredBytes, alteredHint, wrongHash } from "./altered-bytes.ts";
import { startHash } from "./content-hash.ts";
import type { HeldRuns } from "./held-runs.ts";
import { type DigestRun, digestOf, PieceDigests, pieceBytes } from "./piece-digests.ts";
import { PieceParts } from "./piece-parts.ts";
import type { ByteSource } from "./repository.ts";
import { RunningReads } from "./running-reads.ts";
import { gapBytes, type OpenedShard, readWhole, type WholeReading } from "./whole-reading.ts";

/** Pieces that are hashed before others have their turn. */
const piecesAtOnce = 16;
/** Pieces of which parts are in memory. Of more, the first is read whole. */
const mostOpen = 16;
/** Bytes of these pieces. */
export const mostInParts = mostOpen * pieceBytes;

/**
 * Proves that the bytes that a run reads of a shard, in any order and as often as it likes, are
 * those of the file's listed hash.
 *
 * - Every piece of at most 1 MiB has a digest from when it was first read. A later reading must
 *   have it too. One that has not is read once more over another connection, before anybody uses
 *   it.
 * - These first bytes are hashed in the order of the file. What comes before its turn is held
 *   (held-runs.ts). What was not held, and what nobody reads, is read at the end (`finish`); bytes
 *   that were used must then have their digest.
 * - When the last byte is hashed, the hash must be the listed one. So every digest is proven.
 * - A run that reads everything once needs no digests of what comes in order (`expectOneReading`),
 *   and reads wait for those of earlier bytes that have begun. If it reads such a piece again all
 *   the same, the file is read once more at the end.
 *
 * Throws NETWORK, which names the file and the bytes.
 */
export class ShardProof {
  /** Where the next byte to hash is. */
  cursor: number;
  readonly #shard: Omit<OpenedShard, "head">;
  readonly #headDigest: Buffer;
  readonly #pieces: PieceDigests;
  /** Whether somebody read bytes of a piece. */
  readonly #used: Uint8Array;
  /** Whether the digest of a piece was told to somebody (takeDigests). */
  readonly #told = new WeakMap<object, Uint8Array>();
  readonly #parts = new PieceParts();
  /** Whether bytes of a piece were hashed in their order, and it has no digest. */
  readonly #blank: Uint8Array;
  /** null: bytes may be read twice. */
  #running: RunningReads | null = null;
  /** Whether a piece without a digest was read again. */
  #wasReread = false;
  readonly #held: HeldRuns;
  readonly #hash: Hash;
  #isProven = false;
  #failure: OqeError | null = null;
  /** The last change of the hash. It never rejects. */
  #turn: Promise<void> = Promise.resolve();

  constructor({ head, ...shard }: OpenedShard, held: HeldRuns) {
    this.#shard = shard;
    this.#held = held;
    this.#hash = startHash(shard.listed, shard.source.size).update(head);
    this.#headDigest = digestOf(head);
    this.cursor = head.length;
    this.#pieces = new PieceDigests(shard.bounds);
    this.#used = new Uint8Array(this.#pieces.count);
    this.#blank = new Uint8Array(this.#pieces.count);
  }

  /** Says that nobody reads a byte twice, and that nobody asks for digests. */
  expectOneReading(): void {
    this.#running ??= new RunningReads();
  }

  /** Bytes of the file from `start` on. They are right when the promise settles. */
  read(start: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const reading = this.#shard.source.read(start, length, into);
    const use = (bytes: Uint8Array) => this.#use(start, bytes);
    return this.#running?.add(start, reading, use) ?? reading.then(use);
  }

  async #use(start: number, bytes: Uint8Array): Promise<Uint8Array> {
    const { length } = bytes;
    if (length === 0) return bytes;
    this.#used.fill(1, this.#pieces.at(start), this.#pieces.at(start + length - 1) + 1);
    await this.#accept(start, bytes);
    while (this.#parts.pieces.length > mostOpen) await this.#readPiece(this.#parts.pieces[0]!);
    return bytes;
  }

  /** The digests of what was used since the last call of the same `caller`. */
  takeDigests(caller: object): readonly DigestRun[] {
    const told = this.#told.get(caller) ?? new Uint8Array(this.#pieces.count);
    this.#told.set(caller, told);
    const runs = this.#pieces.runsOf((piece) => this.#used[piece] === 1 && told[piece] === 0);
    for (const { first, digests } of runs)
      told.fill(1, first, first + Buffer.byteLength(digests, "base64") / 32);
    return runs;
  }

  /** Whether digests that an earlier run noted contradict nothing that is known. */
  agrees(run: DigestRun): boolean {
    return this.#pieces.agrees(run);
  }

  /** Takes over such digests: an earlier run used these pieces. */
  recall(run: DigestRun): void {
    for (const piece of this.#pieces.take(run)) this.#used[piece] = 1;
  }

  /** Reads what was not hashed, and compares the hash of the file. No other read may run. */
  async finish(): Promise<void> {
    await this.#turn;
    while (this.cursor < this.#shard.source.size) await this.#readGap();
    for (const piece of this.#parts.pieces) await this.#readPiece(piece);
    if (!this.#isProven) await this.#compareHash();
    if (!this.#wasReread) return;
    const { source } = this.#shard;
    const { wrong } = await this.#readWhole((start, length) => source.read(start, length));
    const words = `bytes of ${source.name} were wrong when they were read again`;
    if (wrong.length > 0) throw new AlteredBytes(`${words}, from ${wrong[0]} on`);
    this.#wasReread = false;
  }

  /** Whether any tensor was read. */
  get isUsed(): boolean {
    return this.#used.includes(1);
  }

  /** Size of the file. */
  get size(): number {
    return this.#shard.source.size;
  }

  async #readGap(): Promise<void> {
    const { cursor } = this;
    const first = this.#pieces.at(cursor);
    if (this.#isNext(cursor, first)) {
      const length = this.#pieces.starts[first + 1]! - cursor;
      return this.#accept(cursor, await this.#shard.source.read(cursor, length));
    }
    const end = this.#held.next(this) ?? this.size;
    await this.#readPieces(first, this.#pieces.group(first, gapBytes, end));
  }

  #readPiece(piece: number): Promise<void> {
    return this.#readPieces(piece, piece + 1);
  }

  async #readPieces(first: number, last: number): Promise<void> {
    const { starts } = this.#pieces;
    const from = starts[first]!;
    await this.#accept(from, await this.#shard.source.read(from, starts[last]! - from));
  }

  /** Compares bytes with their digests, corrects them, and hashes those whose turn it is. */
  async #accept(start: number, bytes: Uint8Array): Promise<void> {
    const { starts, count } = this.#pieces;
    if (this.#running !== null && (await this.#inTurn(() => this.#feedNext(start, bytes)))) return;
    const end = start + bytes.length;
    const whole: { start: number; end: number }[] = [];
    for (let piece = this.#pieces.at(start); piece < count && starts[piece]! < end; piece++) {
      const [from, to] = [starts[piece]!, starts[piece + 1]!];
      const own = bytes.subarray(Math.max(from, start) - start, Math.min(to, end) - start);
      if (own.length === to - from) {
        await this.#check(piece, own);
        whole.push({ start: from, end: to });
      } else await this.#addPart(piece, Math.max(0, start - from), own);
      if (piece % piecesAtOnce === 0) await setImmediate(); // a long read must not stop the others
    }
    const [first, last] = [whole[0], whole.at(-1)];
    if (first === undefined) return;
    const feed = () =>
      this.#feed(first.start, bytes.subarray(first.start - start, last!.end - start));
    await this.#inTurn(feed);
  }

  /** A part of a piece is checked when all its parts are there. They were used by then. */
  async #addPart(piece: number, from: number, bytes: Uint8Array): Promise<void> {
    const [start, end] = [this.#pieces.starts[piece]!, this.#pieces.starts[piece + 1]!];
    const add = () => this.#parts.add({ piece, size: end - start, from, bytes });
    const whole = this.#naming(piece, add);
    if (whole === null) return;
    if (!this.#admit(piece, whole)) throw this.#differs(piece);
    await this.#inTurn(() => this.#feed(start, whole));
  }

  #admit(piece: number, bytes: Uint8Array): boolean {
    if (this.#blank[piece] === 1) {
      this.#blank[piece] = 0;
      this.#wasReread = true;
    }
    return this.#pieces.admit(piece, bytes);
  }

  /** Corrects the bytes of a piece if another reading has its digest. */
  async #check(piece: number, bytes: Uint8Array): Promise<void> {
    if (!this.#admit(piece, bytes)) {
      const again = await this.#readAgain(this.#pieces.starts[piece]!, bytes.length);
      if (!this.#admit(piece, again)) throw this.#differs(piece);
      bytes.set(again);
    }
    this.#naming(piece, () => this.#parts.compare(piece, bytes));
  }

  #naming<T>(piece: number, run: () => T): T {
    try {
      return run();
    } catch {
      throw this.#differs(piece);
    }
  }

  #differs(piece: number): OqeError {
    const [from, to] = [this.#pieces.starts[piece], this.#pieces.starts[piece + 1]];
    const { name } = this.#shard.source;
    const message = `bytes ${from} to ${to} of ${name} were read more than once and differ`;
    // Those that were used before are right if they are proven.
    return this.#isProven
      ? new OqeError("NETWORK", message, alteredHint)
      : new AlteredBytes(message);
  }

  /** Runs what changes the hash, one after the other. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#turn.then(change);
    this.#turn = changed.then(
      () => {},
      () => {},
    );
    return changed;
  }

  /** Hashes bytes if it is their turn, else holds them. */
  async #feed(start: number, bytes: Uint8Array): Promise<void> {
    if (start > this.cursor) return this.#held.hold(this, start, bytes);
    if (start + bytes.length > this.cursor)
      await this.#advance(bytes.subarray(this.cursor - start));
  }

  /** Hashes bytes that are read once, if it is their turn. Says whether it was. */
  async #feedNext(start: number, bytes: Uint8Array): Promise<boolean> {
    const [first, last] = [this.#pieces.at(start), this.#pieces.at(start + bytes.length - 1)];
    for (let piece = first; piece <= last; piece++) if (!this.#isNext(start, piece)) return false;
    this.#blank.fill(1, first, last + 1);
    await this.#advance(bytes);
    return true;
  }

  /** Whether the hash is at `start`, and nothing from there on was read of a piece. */
  #isNext(start: number, piece: number): boolean {
    const isNew = !this.#pieces.knows(piece) && !this.#parts.has(piece);
    return this.#running !== null && start === this.cursor && isNew;
  }

  async #advance(bytes: Uint8Array): Promise<void> {
    let next: Uint8Array | null = bytes;
    while (next !== null) {
      this.#hash.update(next);
      this.cursor += next.length;
      next = await this.#held.take(this);
    }
    if (this.cursor === this.size) await this.#compareHash();
  }

  async #compareHash(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const found = this.#hash.digest("hex");
    if (found !== this.#shard.listed.value) this.#failure = await this.#explain(found);
    if (this.#failure !== null) throw this.#failure;
    this.#isProven = true;
  }

  /**
   * Reads the file once more over another connection, to say which bytes were wrong. null: only
   * bytes that nobody used, and this reading has the hash.
   */
  async #explain(found: string): Promise<OqeError | null> {
    const { listed, source } = this.#shard;
    const isKnown = !this.#blank.includes(1);
    const read = (start: number, length: number) => this.#readAgain(start, length);
    const { found: again, wrong } = await this.#readWhole(read);
    if (again === listed.value && wrong.length === 0 && isKnown) return null;
    const place = isKnown ? `, from ${wrong[0]} on` : "";
    return wrongHash(source.name, listed, { found, again, place });
  }

  #readWhole(read: ByteSource["read"]): Promise<WholeReading> {
    const known = { pieces: this.#pieces, used: this.#used, headDigest: this.#headDigest };
    return readWhole({ ...this.#shard, ...known, read });
  }

  #readAgain(start: number, length: number): Promise<Uint8Array> {
    const { source } = this.#shard;
    return source.readAgain?.(start, length) ?? source.read(start, length);
  }
}
