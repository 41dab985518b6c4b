import { isDeepStrictEqual } from "node:util";
import { OqeError } from "../ground/errors.ts";
import { mapBounded } from "./bounded.ts";
import { readConfig } from "./config.ts";
import { quote } from "./json.ts";
import type { ModelConfig } from "./model-config.ts";
import { refuseQuantizedConfig, refuseQuantizedTensors } from "./quantized-base.ts";
import type { Repository } from "./repository.ts";
import { readHeader, type TensorEntry } from "./safetensors.ts";
import { findShards, INDEX_FILE, refuseGguf } from "./shard-set.ts";

/**
 * Requests for headers at the same time: they hide the Hub's latency and respect its rate limit.
 */
const HEADERS_AT_ONCE = 8;

export interface CheckpointTensor extends TensorEntry {
  /** File of the repository that holds it. */
  readonly file: string;
}

/** An opened base model: its config and the place of every tensor. Weights are read by range. */
export interface Checkpoint {
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
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Accepts shards without their data, for planning. */
  readonly allowHeaderOnly?: boolean;
  /**
   * Accepts a finished MLX repository, for evaluation. Or says of a config whether its quantization
   * is known: the caller then accounts for every tensor.
   */
  readonly allowQuantized?: boolean | ((config: ModelConfig) => boolean);
  /** Whether the model works without this tensor; an index may then name it in vain. */
  readonly ignores?: (name: string, config: ModelConfig) => boolean;
}

/**
 * Opens a base. Reads its config and headers, no weights. Throws MISSING_FILE, BAD_CHECKPOINT,
 * ALREADY_QUANTIZED, and the errors of `ignores`.
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
  const { allowQuantized = false } = options;
  const mayBeQuantized =
    typeof allowQuantized === "boolean" ? allowQuantized : allowQuantized(config);
  if (!mayBeQuantized) refuseQuantizedConfig(config, repository);
  const { files, index, copies } = await findShards(repository);
  const readHeaders = (some: readonly string[], { allowHeaderOnly = false }: OpenOptions) =>
    mapBounded(some, HEADERS_AT_ONCE, async (file) => {
      return { file, ...(await readHeader(await repository.open(file), { allowHeaderOnly })) };
    });
  const headers = await readHeaders(files, options);
  const tensors = gatherTensors(headers, repository);
  // Only their headers matter, so it does not matter whether their data is complete.
  checkCopies(tensors, await readHeaders(copies, { allowHeaderOnly: true }), repository);
  const ignores = (name: string) => options.ignores?.(name, config) ?? false;
  if (index !== null) checkIndex({ tensors, index, ignores, repository });
  if (!mayBeQuantized) refuseQuantizedTensors(tensors, repository);
  return {
    repository,
    config,
    floatKeys,
    tensors,
    headerOnly: headers.some((header) => header.headerOnly),
    read: readerOf(repository, tensors),
    close: async () => repository.close?.(),
  };
}

interface Shard {
  readonly file: string;
  readonly tensors: readonly TensorEntry[];
}

function gatherTensors(
  shards: readonly Shard[],
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
  copies: readonly Shard[],
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
    const source = await repository.open(tensor.file);
    return source.read(tensor.start + byteOffset, byteLength, into);
  };
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    message,
    "Download the whole model again, or ask the model's authors.",
  );
}
