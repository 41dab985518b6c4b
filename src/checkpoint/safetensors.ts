import { OqeError } from "../ground/errors.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { asObject, parseJson, quote, show } from "./json.ts";
import type { ByteSource } from "./repository.ts";

/** The limit of the safetensors crate (`MAX_HEADER_SIZE`). */
export const MAX_HEADER_BYTES = 100_000_000;
/** One read of this size has the length and, for most shards, the whole header. */
const FIRST_READ = 64 << 10;
/** The largest published models have some 200,000 tensors over all shards. */
const MAX_TENSORS = 250_000;
const MAX_NAME_LENGTH = 512;
const MAX_RANK = 8;

export interface TensorEntry {
  readonly name: string;
  /** A key of `bytesPerElement`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Absolute byte offsets in the file, end exclusive. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** The file ends where its header ends although it declares data. */
  readonly headerOnly: boolean;
  /** The bytes of the file up to the data: the length, and the header as it is. */
  readonly head: Uint8Array;
}

/**
 * Reads and checks a safetensors header: 8 bytes of little-endian length, JSON, then the tensors'
 * bytes without gaps (https://huggingface.co/docs/safetensors). Every entry is checked against its
 * dtype, its shape, its neighbours and the size of the file. Throws BAD_CHECKPOINT.
 * `allowHeaderOnly` accepts a file that has its header and none of its data.
 */
export async function readHeader(
  source: ByteSource,
  options: { readonly allowHeaderOnly?: boolean } = {},
): Promise<SafetensorsHeader> {
  const head = await readHead(source);
  const object = parseHeader(head.subarray(8), source);
  const dataStart = head.length;
  const { __metadata__: metadata, ...entries } = object;
  const names = Object.keys(entries);
  if (names.length > MAX_TENSORS)
    refuse(source, `declares ${names.length} tensors; at most ${MAX_TENSORS} are read`);
  const tensors = names
    .map((name) => readEntry(name, entries[name], dataStart, source))
    .sort((a, b) => a.start - b.start || a.end - b.end);
  const dataEnd = checkCoverage(tensors, dataStart, source);
  return {
    tensors,
    metadata: readMetadata(metadata, source),
    headerOnly: checkSize(dataStart, dataEnd, source, options.allowHeaderOnly ?? false),
    head,
  };
}

async function readHead(source: ByteSource): Promise<Uint8Array> {
  if (source.size < 8)
    refuse(source, `is truncated: expected at least 8 bytes, got ${source.size}`, again);
  const first = await source.read(0, Math.min(FIRST_READ, source.size));
  if (Buffer.from(first.subarray(0, lfsPointer.length)).toString("latin1") === lfsPointer)
    refuse(source, "is a pointer of Git LFS, not the weights", "Fetch the weights: git lfs pull.");
  const declared = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (declared > BigInt(MAX_HEADER_BYTES)) {
    refuse(
      source,
      `declares a header of ${declared} bytes; at most ${MAX_HEADER_BYTES} are read`,
      notSafetensors,
    );
  }
  const length = Number(declared);
  if (length < 2)
    refuse(source, `declares a header of ${length} bytes; the shortest is "{}"`, notSafetensors);
  if (8 + length > source.size) {
    refuse(
      source,
      `is truncated: expected a header of ${length} bytes, got ${source.size - 8}`,
      again,
    );
  }
  if (8 + length <= first.length) return first.slice(0, 8 + length);
  const bytes = new Uint8Array(8 + length);
  bytes.set(first);
  bytes.set(await source.read(first.length, bytes.length - first.length), first.length);
  return bytes;
}

function parseHeader(bytes: Uint8Array, source: ByteSource): Record<string, unknown> {
  if (bytes[0] !== 0x7b)
    refuse(source, "has a header that does not start with '{'", notSafetensors);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse(source, "has a header that is not valid UTF-8", notSafetensors);
  }
  const header = parseJson(text, `the header of ${source.name}`, { duplicateKeys: "refuse" });
  return (
    asObject(header) ?? refuse(source, "has a header that is not a JSON object", notSafetensors)
  );
}

function readEntry(
  name: string,
  value: unknown,
  dataStart: number,
  source: ByteSource,
): TensorEntry {
  const bad = (problem: string): never =>
    refuse(source, `has a bad entry for tensor ${quote(name)}: ${problem}`);
  if (!isTensorName(name))
    bad(`a name has 1 to ${MAX_NAME_LENGTH} characters, none of them a control character`);
  const { dtype, shape, data_offsets: offsets } = asObject(value) ?? bad("not an object");
  if (typeof dtype !== "string" || !Object.hasOwn(bytesPerElement, dtype)) {
    const known = Object.keys(bytesPerElement).join(", ");
    return bad(`unknown dtype ${show(dtype)}; known are ${known}`);
  }
  if (!isCounts(shape) || shape.length > MAX_RANK)
    return bad(`shape is not a list of at most ${MAX_RANK} sizes`);
  if (!isCounts(offsets) || offsets.length !== 2)
    return bad("data_offsets is not a pair of byte offsets");
  const [from, to] = offsets as [number, number];
  const length = shape.reduce((product, size) => product * size, bytesPerElement[dtype]!);
  if (!Number.isSafeInteger(length))
    return bad(`shape [${shape}] has more elements than can be counted`);
  if (to - from !== length) {
    return bad(
      `shape [${shape}] of ${dtype} takes ${length} bytes, ` +
        `data_offsets [${from}, ${to}] hold ${to - from}`,
    );
  }
  if (!Number.isSafeInteger(dataStart + to))
    return bad(`data_offsets [${from}, ${to}] are past any file`);
  return { name, dtype, shape, start: dataStart + from, end: dataStart + to };
}

function isTensorName(name: string): boolean {
  const fits = name !== "" && name.length <= MAX_NAME_LENGTH;
  return fits && name.isWellFormed() && !/\p{Cc}/u.test(name);
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((item) => Number.isSafeInteger(item) && item >= 0 && !Object.is(item, -0))
  );
}

/**
 * Checks that every byte of the data belongs to exactly one tensor. Returns the end of the data.
 */
function checkCoverage(
  tensors: readonly TensorEntry[],
  dataStart: number,
  source: ByteSource,
): number {
  let reached = dataStart;
  let previous = "the start of the data";
  for (const { name, start, end } of tensors) {
    if (start < reached)
      refuse(source, `has overlapping tensors: ${quote(name)} starts inside ${previous}`);
    if (start > reached)
      refuse(
        source,
        `has a gap of ${start - reached} bytes between ${previous} and ${quote(name)}`,
      );
    reached = end;
    previous = quote(name);
  }
  return reached;
}

function readMetadata(value: unknown, source: ByteSource): Record<string, string> {
  if (value === undefined || value === null) return {};
  const metadata =
    asObject(value) ?? refuse(source, "has a __metadata__ that is not an object of strings");
  for (const [key, text] of Object.entries(metadata)) {
    if (typeof text !== "string")
      refuse(source, `has a __metadata__ whose ${quote(key)} is not a string`);
  }
  return metadata as Record<string, string>;
}

/**
 * Whether the file is a bare header. Throws unless the file has the size of its header, or the size
 * that its header gives.
 */
function checkSize(
  dataStart: number,
  dataEnd: number,
  source: ByteSource,
  allowHeaderOnly: boolean,
): boolean {
  if (source.size === dataEnd) return false;
  if (allowHeaderOnly && source.size === dataStart) return true;
  if (source.size < dataEnd)
    refuse(source, `is truncated: expected ${dataEnd} bytes, got ${source.size}`, again);
  return refuse(
    source,
    `has ${source.size - dataEnd} bytes after its last tensor: ` +
      `expected ${dataEnd}, got ${source.size}`,
  );
}

const again = "Download the file again.";
/** How the text file starts that Git puts in the place of a large file. */
const lfsPointer = "version https://git-lfs";
const notSafetensors = "Is this a safetensors file? Download it again, or ask the model's authors.";

function refuse(
  source: ByteSource,
  problem: string,
  hint = "The file is damaged. Download it again, or ask the model's authors.",
): never {
  throw new OqeError("BAD_CHECKPOINT", `${source.name} ${problem}`, hint);
}
