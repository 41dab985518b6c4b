import { mapBounded } from "./bounded.ts";
import { listedHash } from "./content-hash.ts";
import { HeldRuns, type Outside } from "./held-runs.ts";
import type { DigestRun } from "./piece-digests.ts";
import type { ByteSource, Repository } from "./repository.ts";
import type { SafetensorsHeader } from "./safetensors.ts";
import { ShardProof } from "./shard-proof.ts";

/** Shards that are finished at the same time, so that one is hashed while another is fetched. */
const shardsAtOnce = 4;

/** What was proven: these shards, whole. */
export interface Proven {
  /** `org/name@commit` */
  readonly of: string;
  readonly shards: number;
  readonly bytes: number;
}

/** Digests of pieces of a shard. */
export interface ShardDigests extends DigestRun {
  readonly file: string;
}

/** A shard with its header. */
export interface Shard extends Pick<SafetensorsHeader, "tensors" | "head" | "headerOnly"> {
  readonly file: string;
  readonly source: ByteSource;
}

/** Reads shards. Where the repository lists their hashes, what is read is proven. */
export class VerifiedShards {
  readonly #held = new HeldRuns();
  readonly #repository: Repository;
  readonly #proofs: ReadonlyMap<string, ShardProof>;

  constructor(repository: Repository, shards: readonly Shard[]) {
    this.#repository = repository;
    this.#proofs = new Map(
      shards.flatMap(({ file, source, head, tensors, headerOnly }) => {
        const listed = listedHash(repository, file);
        if (listed === null || headerOnly) return [];
        const bounds = [...tensors.map(({ start }) => start), source.size];
        return [[file, new ShardProof({ source, listed, head, bounds }, this.#held)]];
      }),
    );
  }

  async read(file: string, start: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const reader = this.#proofs.get(file) ?? (await this.#repository.open(file));
    return reader.read(start, length, into);
  }

  /** See Checkpoint. */
  takeDigests(caller: object): readonly ShardDigests[] {
    return [...this.#proofs].flatMap(([file, proof]) => {
      return proof.takeDigests(caller).map((run) => ({ file, ...run }));
    });
  }

  /**
   * Takes over what an earlier run used. Gives false, and takes nothing, if it is not of these
   * shards or contradicts what was read.
   */
  recall(digests: readonly ShardDigests[]): boolean {
    const proofOf = ({ file }: ShardDigests) => this.#proofs.get(file);
    if (!digests.every((run) => proofOf(run)?.agrees(run) === true)) return false;
    for (const run of digests) proofOf(run)!.recall(run);
    return true;
  }

  /** Names a place for bytes that come before their turn; null: memory is the only one. */
  useOutside(outside: Outside | null): void {
    this.#held.useOutside(outside);
  }

  /** See Checkpoint. */
  expectOneReading(): void {
    for (const proof of this.#proofs.values()) proof.expectOneReading();
  }

  /** Proves all shards of which a tensor was read. null: the repository lists no hashes. */
  async prove(): Promise<Proven | null> {
    if (this.#proofs.size === 0) return null;
    const used = [...this.#proofs.values()].filter(({ isUsed }) => isUsed);
    await mapBounded(used, shardsAtOnce, (proof) => proof.finish());
    const { id, name, revision } = this.#repository;
    const of = `${id ?? name}@${revision}`;
    return { of, shards: used.length, bytes: used.reduce((sum, { size }) => sum + size, 0) };
  }
}
