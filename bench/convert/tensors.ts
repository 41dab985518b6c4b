import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Throws if two folders differ in the name or the bytes of a tensor. */
export async function requireEqualTensors(one: string, other: string): Promise<void> {
  const [own, theirs] = [await tensorsOf(one), await tensorsOf(other)];
  const different = [...own].filter(([name, hash]) => theirs.get(name) !== hash);
  if (own.size === theirs.size && different.length === 0) return;
  throw new Error(`${own.size} and ${theirs.size} tensors; not equal: ${different.join("\n")}`);
}

/** Name of each tensor in the files of a folder -> SHA-256 of its bytes. */
async function tensorsOf(folder: string): Promise<Map<string, string>> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  const found = await Promise.all(files.map((name) => tensorsIn(join(folder, name))));
  return new Map(found.flatMap((tensors) => [...tensors]));
}

async function tensorsIn(path: string): Promise<Map<string, string>> {
  const file = await open(path);
  const length = Number((await file.read(Buffer.alloc(8), 0, 8, 0)).buffer.readBigUInt64LE());
  const header = JSON.parse(
    (await file.read(Buffer.alloc(length), 0, length, 8)).buffer.toString(),
  );
  await file.close();
  const hashes = new Map<string, string>();
  for (const [name, { data_offsets }] of Object.entries<{ data_offsets: [number, number] }>(
    header,
  )) {
    if (name === "__metadata__") continue;
    const [start, end] = data_offsets.map((offset) => 8 + length + offset) as [number, number];
    const hash = createHash("sha256");
    for await (const part of createReadStream(path, { start, end: end - 1 })) hash.update(part);
    hashes.set(name, hash.digest("hex"));
  }
  return hashes;
}
