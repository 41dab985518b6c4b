import { existsSync, readdirSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FloatDtype } from "../../src/kernel/dtype.ts";
import { openKernel } from "../../src/kernel/pool.ts";

const models = fileURLToPath(new URL("../models/", import.meta.url));

/** The embedded base model. It is trained. */
export const embedded = `${models}nemotron-nano-tiny`;

/** A trained base whose table is both embeddings and head. */
export const tiedMoe = `${models}tied-moe-tiny`;

/** One small base per architecture: those of random-tiny, and the trained one for nemotron_h. */
export const byArchitecture: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    readdirSync(`${models}random-tiny`)
      .filter((name) => existsSync(`${models}random-tiny/${name}/config.json`))
      .map((name) => [name, `${models}random-tiny/${name}`]),
  ),
  nemotron_h: embedded,
};

/** One smaller, untrained base per architecture, for slow tests. */
export const smallest: Readonly<Record<string, string>> = {
  ...byArchitecture,
  nemotron_h: `${models}random-tiny/nemotron_h`,
};

export const scratchFolder = () => mkdtemp(join(tmpdir(), "oqe-test-"));

/** Copies a base into a scratch folder, for a test to change. */
export async function copyModel(from: string, name = "spoiled"): Promise<string> {
  const folder = join(await scratchFolder(), name);
  await cp(from, folder, { recursive: true });
  return folder;
}

export async function editConfig(
  folder: string,
  edit: (config: Record<string, unknown>) => void,
): Promise<void> {
  const path = join(folder, "config.json");
  const config = JSON.parse(await readFile(path, "utf8"));
  edit(config);
  await writeFile(path, JSON.stringify(config));
}

/** Edits header and data of a single-file checkpoint in place. The header may get any length. */
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

/** Copies a single-file BF16 base with every float tensor, and its config, in another dtype. */
export async function castModel(from: string, to: "F16" | "F32", name: string): Promise<string> {
  const folder = await copyModel(from, name);
  const path = join(folder, "model.safetensors");
  const file = await readFile(path);
  const size = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + size).toString());
  const kernel = await openKernel({ workers: 1 });
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const tensor of Object.values<{ dtype: FloatDtype; data_offsets: [number, number] }>(
    header,
  )) {
    if (tensor.data_offsets === undefined) continue; // __metadata__
    const [start, stop] = tensor.data_offsets;
    const weights = new Uint8Array(file.subarray(8 + size + start, 8 + size + stop));
    const { bytes } = await kernel.cast({ weights, from: tensor.dtype, to });
    parts.push(bytes);
    tensor.dtype = to;
    tensor.data_offsets = [end, end + bytes.byteLength];
    end += bytes.byteLength;
  }
  await kernel.close();
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, ...parts]));
  await editConfig(folder, (config) => {
    config.torch_dtype = to === "F16" ? "float16" : "float32";
  });
  return folder;
}
