import { isDeepStrictEqual } from "node:util";
import { OqeError } from "../ground/errors.ts";
import { mapBounded } from "./bounded.ts";
import { readConfig } from "./config.ts";
import type { Outside } from "./held-runs.ts";
import { quote } from "./json.ts";
import type { ModelConfig } from "./model-config.ts";
import { type Neighbours, readNeighbours } from "./neighbours.ts";
import type { ByteSource, Repository } from "./repository.ts";
import { readHeader, type TensorEntry } from "./safetensors.ts";
import { findShards, INDEX_FILE, refuseGguf } from "./shard-set.ts";
import { type Proven, type Shard, type ShardDigests, VerifiedShards } from "./verified-shards.ts";

/**
 * Requests for headers at the same time: they hide the Hub's latency and respect its rate limit.
 */
const HEADERS_AT_ONCE = 8;

export interface CheckpointTensor extends TensorEntry {
  /** File of the repository that holds it. */
  readonly file: string;
}

/** What was read of a checkpoint, and can be proven. */
export interface Provable {
  /**
   * Proves that all bytes which were read are those of the commit: of every shard of which a tensor
   * was read, what nobody read is read too. null: the repository lists no hashes, as a folder.
   * Throws NETWORK. To be called when nothing else reads.
   */
  prove(): Promise<Proven | null>;
  /** Names a place for bytes that wait for their turn to be hashed; null: none any more. */
  useOutside(outside: Outside | null): void;
}

/** Notes for a run that goes on with what this one makes: it must have read the same bytes. */
export interface ReadNotes {
  /** Digests of what was read since the last call of the same `caller`. */
  takeDigests(caller: object): readonly ShardDigests[];
  /**
   * Takes over what an earlier run read. Gives false, and takes nothing, if it is not of this
   * checkpoint or contradicts what this run knows.
   */
  recall(digests: readonly ShardDigests[]): boolean;
}

/** An opened base model: its config and the place of every tensor. Weights are read by range. */
export interface Checkpoint extends Provable, ReadNotes {
  readonly repository: Repository;
  /** As `config.json` has it, not folded. */
  readonly config: ModelConfig;
  /** See ConfigFile. */
  readonly floatKeys: ReadonlySet<string>;
  /** By shard, then in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** At least one shard holds its header and no data: only planning is possible. */
  readonly headerOnly: boolean;
  /**
   * Reads `byteLength` bytes of a tensor from `byteOffset` within it.
   * Throws BAD_CHECKPOINT for an unknown name or a range outside of the tensor.
   */
  read(
    name: string,
    byteOffset: number,
    byteLength: number,
    into?: Uint8Array,
  ): Promise<Uint8Array>;
  /** Reads whole tensors by their runs. */
  readNeighbours(runs: readonly Neighbours[]): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Says that no byte will be read twice, and no digest taken: the proof then costs less. */
  expectOneReading(): void;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Accepts shards without their data, for planning. */
  readonly allowHeaderOnly?: boolean;
  /** Throws for a config that cannot be used, before any header is read. */
  readonly checkConfig?: (config: ModelConfig) => void;
  /** Whether the model works without this tensor; an index may then name it in vain. */
  readonly ignores?: (name: string, config: ModelConfig) => boolean;
  /** Files beside the shards that hold tensors of the model, where the repository has them. */
  readonly sidecars?: (config: ModelConfig) => readonly string[];
}

/**
 * Opens a checkpoint. Reads its config and headers, no weights. Throws MISSING_FILE,
 * BAD_CHECKPOINT, and the errors of `checkConfig` and `ignores`.
 */
export async function openCheckpoint(
  repository: Repository,
  options: OpenOptions = {},
): Promise<Checkpoint> {
  try {
    return await readCheckpoint(repository, options);
  } catch (error) {
    await repository.close?.();
    throw error;
  }
}

async function readCheckpoint(repository: Repository, options: OpenOptions): Promise<Checkpoint> {
  refuseGguf(repository);
  const { config, floatKeys } = await readConfig(repository);
  options.checkConfig?.(config);
  const { files: own, index, copies } = await findShards(repository);
  const beside = options.sidecars?.(config).filter((file) => repository.files.has(file)) ?? [];
  const files = [...new Set([...own, ...beside])];
  const readHeaders = (some: readonly string[], { allowHeaderOnly = false }: OpenOptions) =>
    mapBounded(some, HEADERS_AT_ONCE, async (file) => {
      const source = await repository.open(file);
      return { file, source, ...(await readHeaderTwice(source, { allowHeaderOnly })) };
    });
  const shards = await readHeaders(files, options);
  const tensors = gatherTensors(shards, repository);
  // Only their headers matter, so it does not matter whether their data is complete.
  checkCopies(tensors, await readHeaders(copies, { allowHeaderOnly: true }), repository);
  const ignores = (name: string) => options.ignores?.(name, config) ?? false;
  if (index !== null) checkIndex({ tensors, index, ignores, repository });
  const verified = new VerifiedShards(repository, shards);
  return {
    repository,
    config,
    floatKeys,
    tensors,
    headerOnly: shards.some((shard) => shard.headerOnly),
    read: readerOf(repository, tensors, verified),
    readNeighbours: (runs) => readNeighbours(runs, (...place) => verified.read(...place)),
    prove: () => verified.prove(),
    useOutside: (outside) => verified.useOutside(outside),
    takeDigests: (caller) => verified.takeDigests(caller),
    recall: (digests) => verified.recall(digests),
    expectOneReading: () => verified.expectOneReading(),
    close: async () => repository.close?.(),
  };
}

/** A header that cannot be used is read once more: a bit of it may be wrong. */
async function readHeaderTwice(source: ByteSource, options: OpenOptions) {
  const { readAgain } = source;
  const first = readHeader(source, options);
  return readAgain === undefined
    ? first
    : first.catch(() => readHeader({ ...source, read: readAgain }, options));
}

function gatherTensors(
  shards: readonly Pick<Shard, "file" | "tensors">[],
  repository: Repository,
): Map<string, CheckpointTensor> {
  const gathered = new Map<string, CheckpointTensor>();
  for (const { file, tensors } of shards) {
    for (const tensor of tensors) {
      const twin = gathered.get(tensor.name);
      if (twin)
        throw bad(
          `${repository.name} has tensor ${quote(tensor.name)} twice: ` +
            `in ${quote(twin.file)} and ${quote(file)}`,
        );
      gathered.set(tensor.name, { ...tensor, file });
    }
  }
  if (gathered.size === 0)
    throw bad(
      `${repository.name} has no tensors in ${shards.map(({ file }) => quote(file)).join(", ")}`,
    );
  return gathered;
}

/**
 * transformers reads a whole model.safetensors alone; mlx-lm reads every `model*.safetensors`.
 * Throws BAD_CHECKPOINT where the two would read different tensors.
 */
function checkCopies(
  tensors: ReadonlyMap<string, CheckpointTensor>,
  copies: readonly Pick<Shard, "file" | "tensors">[],
  repository: Repository,
): void {
  for (const { file, tensors: own } of copies) {
    for (const { name, dtype, shape } of own) {
      const whole = tensors.get(name);
      if (whole?.dtype === dtype && isDeepStrictEqual(whole.shape, shape)) continue;
      throw new OqeError(
        "BAD_CHECKPOINT",
        `${repository.name} holds two sets of weights: ${quote(file)} has tensor ${quote(name)}, ` +
          `model.safetensors ${whole ? "has another of that name" : "has none of that name"}`,
        "Remove the set that does not belong to the model; transformers reads model.safetensors.",
      );
    }
  }
}

/**
 * Every tensor of the index must lie where the index says, save one that the model does not need.
 * Shards may hold more than the index names: transformers and mlx-lm read whole files.
 */
function checkIndex({
  tensors,
  index,
  ignores,
  repository,
}: {
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly index: ReadonlyMap<string, string>;
  readonly ignores: (name: string) => boolean;
  readonly repository: Repository;
}): void {
  const where = `${repository.name}/${INDEX_FILE}`;
  for (const [name, file] of index) {
    const holder = tensors.get(name)?.file;
    if (holder === file || (holder === undefined && ignores(name))) continue;
    throw bad(
      holder === undefined
        ? `${where} names tensor ${quote(name)}, which ${quote(file)} does not hold`
        : `${where} puts tensor ${quote(name)} into ${quote(file)}, but ${quote(holder)} holds it`,
    );
  }
}

function readerOf(
  repository: Repository,
  tensors: ReadonlyMap<string, CheckpointTensor>,
  shards: VerifiedShards,
): Checkpoint["read"] {
  return async (name, byteOffset, byteLength, into) => {
    const tensor = tensors.get(name);
    if (!tensor) throw bad(`${repository.name} has no tensor ${quote(name)}`);
    const size = tensor.end - tensor.start;
    if (byteOffset < 0 || byteLength < 0 || !(byteOffset + byteLength <= size)) {
      const asked = `bytes ${byteOffset} to ${byteOffset + byteLength}`;
      throw bad(
        `${asked} of tensor ${quote(name)} were asked for; ${quote(tensor.file)} holds ${size}`,
      );
    }
    return shards.read(tensor.file, tensor.start + byteOffset, byteLength, into);
  };
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    message,
    "Download the whole model again, or ask the model's authors.",
  );
}
