import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readBase } from "../../src/base/base.ts";
import { baseRows, memberRows } from "../../src/base/base-rows.ts";
import { openKernel } from "../../src/kernel/pool.ts";
import { planTier } from "../../src/plan/plan.ts";
import { tiers } from "../../src/plan/tiers.ts";
import { publications, publish } from "../support/coded-bases.ts";
import { removeFolder, scratchFolder, smallest } from "../support/models.ts";
import { safetensors } from "./case.ts";
import { damageValue, type Random, writeDamaged } from "./damage.ts";
import { memoryRepository } from "./memory.ts";
import { type Target, textOf, utf8 } from "./target.ts";

const ways = [
  "fp8 in blocks, one of each shape",
  "int4 with zero points of compressed-tensors",
  "fp8 and int4 of compressed-tensors, by patterns",
  "fp8 and mxfp8 of ModelOpt, by layer",
] as const;

/** The settings and the headers of coded bases, as far as the first rows of every tensor. */
export async function codedTargets(): Promise<readonly Target[]> {
  const scratch = await scratchFolder();
  const targets = await Promise.all(ways.map((way) => targetsOf(way, join(scratch, way))));
  await removeFolder(scratch);
  return targets.flat();
}

async function targetsOf(way: (typeof ways)[number], folder: string): Promise<Target[]> {
  const { codes } = await publish(smallest.llama!, folder, publications[way]!);
  const [config, weights] = await Promise.all(
    ["config.json", "model.safetensors"].map((file) => readFile(join(codes, file))),
  );
  const { quantization_config: settings, ...rest } = JSON.parse(textOf(config!));
  const codesOf = ["BAD_CHECKPOINT", "UNSUPPORTED_MODEL", "ALREADY_QUANTIZED"] as const;
  return [
    {
      name: `settings of ${way}`,
      seeds: [utf8(JSON.stringify(settings))],
      codes: codesOf,
      read: (text) => {
        const whole = `{"quantization_config":${textOf(text)},${JSON.stringify(rest).slice(1)}`;
        return readFirstRows(utf8(whole), weights!);
      },
    },
    {
      name: `header of ${way}`,
      seeds: [weights!],
      damage: damageHeader,
      codes: codesOf,
      read: (file) => readFirstRows(config!, file),
    },
  ];
}

/** A header whose structure is damaged. */
function damageHeader(file: Uint8Array, random: Random): Uint8Array {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(textOf(file.subarray(8, 8 + length)));
  return safetensors(writeDamaged(damageValue(header, random)), file.subarray(8 + length));
}

async function readFirstRows(config: Uint8Array, weights: Uint8Array): Promise<boolean> {
  const files = { "config.json": config, "model.safetensors": weights };
  const base = await readBase(memoryRepository(files), { allowHeaderOnly: false });
  planTier(tiers[0]!, base);
  const kernel = await openKernel({ workers: 1 });
  try {
    const read = baseRows(base.checkpoint, kernel);
    for (const tensor of base.tensors) {
      const end = Math.min(2, memberRows(tensor));
      const { rows } = await read(tensor, { member: 0, start: 0, end });
      assert.equal(rows, end);
    }
  } finally {
    await kernel.close();
  }
  return true;
}
