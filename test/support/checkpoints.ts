import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { expandTable } from "../../src/models/expand.ts";
import { findArchitecture } from "../../src/models/registry.ts";

/** The data of a made checkpoint: none, zeros as a hole, or seeded noise. */
export type Filling = "header-only" | "sparse" | "noise";

/**
 * Makes a checkpoint of the shapes of a config, in `shards` files with an index and the authors'
 * tensor names. All tensors are BF16, the router's bias F32. Tests plan and stream models with it
 * that are too large to ship.
 */
export async function makeCheckpoint(
  folder: string,
  config: ModelConfig,
  shards: number,
  filling: Filling,
): Promise<number> {
  return writeCheckpoint(folder, config, { tensors: tensorsOf(config), shards, filling });
}

/** The tensors of a BF16 base with this config. */
export function tensorsOf(config: ModelConfig): MadeTensor[] {
  const architecture = findArchitecture(config);
  const all = expandTable(architecture, architecture.fold(config).config).flatMap((output) =>
    output.sources.map(({ tensor, base }) => ({
      name: tensor,
      dtype: output.role.kind === "correction" ? "F32" : "BF16",
      shape: base,
    })),
  );
  // Gate and up of some models are parts of one tensor.
  return [...new Map(all.map((one) => [one.name, one])).values()];
}

/** Writes a checkpoint of these tensors. Gives the bytes of their values. */
export async function writeCheckpoint(
  folder: string,
  config: ModelConfig,
  { tensors, shards, filling }: Made,
): Promise<number> {
  await mkdir(folder, { recursive: true });
  const weightMap: Record<string, string> = {};
  const perShard = Math.ceil(tensors.length / shards);
  let total = 0;
  for (let s = 0; s < shards; s++) {
    const file = `model-${String(s + 1).padStart(5, "0")}-of-${String(shards).padStart(5, "0")}.safetensors`;
    const mine = tensors.slice(s * perShard, (s + 1) * perShard);
    for (const { name } of mine) weightMap[name] = file;
    total += await writeShard(join(folder, file), mine, filling);
  }
  await writeFile(
    join(folder, "model.safetensors.index.json"),
    JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }),
  );
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await writeFile(join(folder, "tokenizer.json"), "{}");
  return total;
}

interface Made {
  readonly tensors: readonly MadeTensor[];
  readonly shards: number;
  readonly filling: Filling;
}

export interface MadeTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Bytes of a value. */
const widths: Readonly<Record<string, number>> = {
  ...{ I64: 8, I32: 4, F32: 4, BF16: 2, F16: 2 },
  ...{ U8: 1, F8_E4M3: 1 },
};

async function writeShard(
  path: string,
  tensors: readonly MadeTensor[],
  filling: Filling,
): Promise<number> {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const { name, dtype, shape } of tensors) {
    const bytes = shape.reduce((product, size) => product * size, widths[dtype]!);
    header[name] = { dtype, shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = await open(path, "w");
  await file.write(Buffer.concat([length, text]));
  if (filling === "sparse") await file.truncate(8 + text.length + end);
  if (filling === "noise") await writeNoise(file, 8 + text.length, end);
  await file.close();
  return end;
}

/** BF16 values of about ±0.02 from a fixed sequence, so that quantizing them is real work. */
async function writeNoise(file: Awaited<ReturnType<typeof open>>, at: number, bytes: number) {
  const block = new Uint16Array(1 << 20);
  let state = 12345;
  for (let i = 0; i < block.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    block[i] = ((state >>> 16) & 0x8000) | (0x3c00 + ((state >>> 8) & 0xff));
  }
  for (let done = 0; done < bytes; ) {
    const size = Math.min(block.byteLength, bytes - done);
    await file.write(new Uint8Array(block.buffer, 0, size), 0, size, at + done);
    done += size;
  }
}
