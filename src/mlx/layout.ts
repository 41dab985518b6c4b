import { writeJson } from "../checkpoint/json.ts";
import { OqeError } from "../ground/errors.ts";
import { bytesPerElement } from "../kernel/dtype.ts";

/** Most bytes of tensors in a shard, so that one can be uploaded while the next is made. */
export const SHARD_LIMIT = 1_000_000_000;

export interface TensorShape {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** A tensor to be placed. */
export interface UnplacedTensor extends TensorShape {
  /** The block that it belongs to; null: it is outside the blocks. Default: null. */
  readonly layer?: number | null;
}

export interface PlacedTensor extends TensorShape {
  /** The block that it belongs to; null: it is outside the blocks. */
  readonly layer: number | null;
  /** Absolute byte offset in the file. */
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Share of the limit from which a shard ends with its block. So a large block lies in shards of its
 * own, which can be uploaded as soon as it is made.
 */
const fullEnough = 1 / 4;

/** A safetensors file before it exists: its header, and the place of each tensor. */
export interface ShardLayout {
  readonly file: string;
  /** The file's first bytes: length, JSON and padding. */
  readonly header: Uint8Array;
  /** In the order of their bytes. */
  readonly tensors: readonly PlacedTensor[];
  /** Size of the whole file. */
  readonly bytes: number;
}

/**
 * Fills shards with tensors in the given order. A tensor above the limit gets a shard of its own. A
 * shard that is a quarter full ends with its block.
 *
 * Within a shard tensors of wider dtypes come first, else in the given order, and the header is
 * padded to 8 bytes. So each tensor is aligned to its elements, as readers that map the file need.
 * There is no other way to align them: safetensors allows no gaps.
 */
export function layoutShards(
  tensors: readonly UnplacedTensor[],
  options: { readonly shardLimit?: number } = {},
): readonly ShardLayout[] {
  if (new Set(tensors.map(({ name }) => name)).size < tensors.length)
    throw bug("a tensor name occurs twice");
  const limit = options.shardLimit ?? SHARD_LIMIT;
  const shards: UnplacedTensor[][] = [];
  let free = 0;
  let block: number | null = null;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    const { layer = null } = tensor;
    const endsBlock = layer !== block && limit - free >= fullEnough * limit;
    block = layer;
    if (bytes > free || endsBlock || shards.length === 0) {
      shards.push([]);
      free = limit;
    }
    shards.at(-1)!.push(tensor);
    free -= bytes;
  }
  return shards.map((shard, index) => layoutShard(shardName(index, shards.length), shard));
}

/**
 * A file of its own with some tensors, which the index does not name. Throws INTERNAL for a name
 * that mlx-lm would read.
 */
export function layoutSidecar(file: string, tensors: readonly UnplacedTensor[]): ShardLayout {
  if (isModelFile(file)) throw bug(`${file} is a name that mlx-lm reads`);
  return layoutShard(file, tensors);
}

/** Whether mlx-lm reads a file as weights of the model: `model*.safetensors`. */
export function isModelFile(file: string): boolean {
  return /^model.*\.safetensors$/.test(file);
}

/** mlx-lm reads every file `model*.safetensors`. */
function shardName(index: number, count: number): string {
  const padded = (n: number) => String(n).padStart(5, "0");
  return count === 1
    ? "model.safetensors"
    : `model-${padded(index + 1)}-of-${padded(count)}.safetensors`;
}

function layoutShard(file: string, shard: readonly UnplacedTensor[]): ShardLayout {
  const width = (tensor: TensorShape) => bytesPerElement[tensor.dtype]!;
  const ordered = [...shard].sort((a, b) => width(b) - width(a));
  let end = 0;
  const relative = ordered.map(({ name, dtype, shape, layer = null }) => {
    const bytes = tensorBytes({ name, dtype, shape });
    end += bytes;
    return { name, dtype, shape, layer, offset: end - bytes, bytes };
  });
  const header = headerBytes(relative);
  const tensors = relative.map((tensor) => ({ ...tensor, offset: header.length + tensor.offset }));
  return { file, header, tensors, bytes: header.length + end };
}

function headerBytes(tensors: readonly PlacedTensor[]): Uint8Array {
  const entries = tensors
    .map(
      ({ name, dtype, shape, offset, bytes }) =>
        [name, { dtype, shape, data_offsets: [offset, offset + bytes] }] as const,
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const json = JSON.stringify(
    Object.fromEntries([["__metadata__", { format: "mlx" }], ...entries]),
  );
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return header;
}

function tensorBytes({ name, dtype, shape }: TensorShape): number {
  const width = Object.hasOwn(bytesPerElement, dtype) ? bytesPerElement[dtype]! : Number.NaN;
  const bytes = shape.reduce((product, size) => product * size, width);
  if (!Number.isSafeInteger(bytes) || bytes < 0)
    throw bug(`${name} [${shape}] of ${dtype} has no size`);
  return bytes;
}

/** All tensors of some shards by name, each with its file. */
export function placesOf(
  layouts: readonly ShardLayout[],
): ReadonlyMap<string, PlacedTensor & { readonly file: string }> {
  const placed = layouts.flatMap(({ file, tensors }) =>
    tensors.map((tensor) => [tensor.name, { ...tensor, file }] as const),
  );
  return new Map(placed);
}

/**
 * Text of `model.safetensors.index.json`. Like mlx-lm we write it for a single shard too. Sidecars
 * are not in it: mlx-vlm reads every file that it names.
 * `totalParameters` counts the base's weights, not the packed words.
 */
export function indexText(layouts: readonly ShardLayout[], totalParameters: number): string {
  const placed = layouts
    .filter(({ file }) => isModelFile(file))
    .flatMap(({ file, tensors }) => tensors.map(({ name, bytes }) => ({ name, bytes, file })));
  placed.sort((a, b) => (a.name < b.name ? -1 : 1));
  const metadata = {
    total_size: placed.reduce((sum, { bytes }) => sum + bytes, 0),
    total_parameters: totalParameters,
  };
  return writeJson(
    { metadata, weight_map: Object.fromEntries(placed.map(({ name, file }) => [name, file])) },
    4,
  );
}

function bug(problem: string): OqeError {
  return new OqeError("INTERNAL", `layout: ${problem}`);
}
