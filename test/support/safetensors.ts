import { readFileSync, writeFileSync } from "node:fs";
import type { Checkpoint, CheckpointTensor } from "../../src/checkpoint/checkpoint.ts";

/** A tensor of a small safetensors file, in memory. */
export interface StoredBytes {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** All tensors of a file, in the order of its header. */
export function readTensors(path: string | URL): Map<string, StoredBytes> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE());
  const { __metadata__: _, ...header }: Record<string, Entry> = JSON.parse(
    file.toString("utf8", 8, start),
  );
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [
        name,
        { dtype, shape, bytes: new Uint8Array(file.subarray(start + from, start + to)) },
      ],
    ),
  );
}

/** Writes the tensors one after the other, in the order of the map. */
export function writeTensors(path: string | URL, tensors: ReadonlyMap<string, StoredBytes>): void {
  const header: Record<string, Entry> = {};
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header[name] = { dtype, shape: [...shape], data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const parts = [...tensors.values()].map(({ bytes }) => bytes);
  writeFileSync(path, Buffer.concat([length, text, ...parts]));
}

/** The tensors as an opened checkpoint, and the number of bytes that were read of it. */
export function openTensors(tensors: ReadonlyMap<string, StoredBytes>) {
  const entries = [...tensors].map(
    ([name, { dtype, shape, bytes }]): [string, CheckpointTensor] => [
      name,
      { name, dtype, shape, start: 0, end: bytes.length, file: "model.safetensors" },
    ],
  );
  const counted = { bytes: 0 };
  const read: Checkpoint["read"] = async (name, offset, length, into = new Uint8Array(length)) => {
    const { bytes } = tensors.get(name)!;
    if (offset < 0 || offset + length > bytes.length) throw new Error(`${name}: bytes outside`);
    into.set(bytes.subarray(offset, offset + length));
    counted.bytes += length;
    return into;
  };
  return { tensors: new Map(entries), read, counted };
}
