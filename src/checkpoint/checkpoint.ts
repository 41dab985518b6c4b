import { OqeError } from "../ground/errors.ts";
import { mapBounded } from "./bounded.ts";
import { readConfig } from "./config.ts";
import { quote } from "./json.ts";
import type { ModelConfig } from "./model-config.ts";
import { refuseQuantizedConfig, refuseQuantizedTensors } from "./quantized-base.ts";
import type { Repository } from "./repository.ts";
import { readHeader, type TensorEntry } from "./safetensors.ts";
import { findShards, INDEX_FILE } from "./shard-set.ts";

/** Requests for headers under way at once: enough to hide the Hub's latency, few enough for its rate limit. */
const HEADERS_AT_ONCE = 8;

export interface CheckpointTensor extends TensorEntry {
  /** File of the repository that holds it. */
  readonly file: string;
}

/** A base model, opened: its config and every tensor's place. Weights are read by range, when asked. */
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
  /** `byteLength` bytes of a tensor from `byteOffset` within it. BAD_CHECKPOINT for an unknown name or a range outside of it. */
  read(
    name: string,
    byteOffset: number,
    byteLength: number,
    into?: Uint8Array,
  ): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly allowHeaderOnly?: boolean;
  readonly allowQuantized?: boolean;
}

/**
 * Opens a base. Reads its config and headers, no weights. Throws MISSING_FILE, BAD_CHECKPOINT or ALREADY_QUANTIZED.
 * `allowHeaderOnly` accepts shards without their data, for planning; `allowQuantized` a finished MLX repository, for proofs.
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
  const { config, floatKeys } = await readConfig(repository);
  if (!options.allowQuantized) refuseQuantizedConfig(config, repository);
  const shards = await findShards(repository);
  const headers = await mapBounded(shards.files, HEADERS_AT_ONCE, async (file) => {
    return { file, ...(await readHeader(await repository.open(file), options)) };
  });
  const tensors = gatherTensors(headers, repository);
  if (shards.index) checkIndex(tensors, shards.index, repository);
  if (!options.allowQuantized) refuseQuantizedTensors(tensors, repository);
  return {
    repository,
    config,
    floatKeys,
    tensors,
    headerOnly: headers.some((header) => header.headerOnly),
    read: (name, byteOffset, byteLength, into) =>
      readTensor(repository, tensors.get(name), name, byteOffset, byteLength, into),
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
          `${repository.name} has tensor ${quote(tensor.name)} twice: in ${quote(twin.file)} and ${quote(file)}`,
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

/** The index and the headers must say the same, both ways: loaders believe either. */
function checkIndex(
  tensors: ReadonlyMap<string, CheckpointTensor>,
  index: ReadonlyMap<string, string>,
  repository: Repository,
): void {
  const where = `${repository.name}/${INDEX_FILE}`;
  for (const { name, file } of tensors.values()) {
    const named = index.get(name);
    if (named === undefined)
      throw bad(`${where} lacks tensor ${quote(name)}, which ${quote(file)} holds`);
    if (named !== file)
      throw bad(
        `${where} puts tensor ${quote(name)} into ${quote(named)}, but ${quote(file)} holds it`,
      );
  }
  for (const [name, file] of index) {
    if (!tensors.has(name))
      throw bad(`${where} names tensor ${quote(name)}, which ${quote(file)} does not hold`);
  }
}

async function readTensor(
  repository: Repository,
  tensor: CheckpointTensor | undefined,
  name: string,
  byteOffset: number,
  byteLength: number,
  into?: Uint8Array,
): Promise<Uint8Array> {
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
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    message,
    "Download the whole model again, or ask the model's authors.",
  );
}
