import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const models = fileURLToPath(new URL("./models/", import.meta.url));

/** The embedded base model, trained. */
export const embedded = `${models}nemotron-nano-tiny`;

/** One small base per architecture. */
export const byArchitecture: Readonly<Record<string, string>> = {
  nemotron_h: embedded,
  llama: `${models}random-tiny/llama`,
  qwen3: `${models}random-tiny/qwen3`,
  qwen3_moe: `${models}random-tiny/qwen3_moe`,
};

export const scratchFolder = () => mkdtemp(join(tmpdir(), "oqe-test-"));

/** A copy of a base in a scratch folder, for a test to spoil. */
export async function copyModel(from: string, name = "spoiled"): Promise<string> {
  const folder = join(await scratchFolder(), name);
  await cp(from, folder, { recursive: true });
  return folder;
}

export async function editConfig(folder: string, edit: (config: Record<string, unknown>) => void): Promise<void> {
  const path = join(folder, "config.json");
  const config = JSON.parse(await readFile(path, "utf8"));
  edit(config);
  await writeFile(path, JSON.stringify(config));
}

/** Edits the header and data of a single-file checkpoint in place; the header may become any length. */
export async function editSafetensors(
  folder: string,
  edit: (
    header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>,
    data: Buffer,
  ) => void,
): Promise<void> {
  const path = join(folder, "model.safetensors");
  const file = await readFile(path);
  const size = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + size).toString());
  const data = file.subarray(8 + size);
  edit(header, data);
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, data]));
}

export const removeFolder = (folder: string) => rm(folder, { recursive: true, force: true });
