import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Base, readBase } from "../../src/base/base.ts";
import { baseRows, memberRows } from "../../src/base/base-rows.ts";
import { openFolder } from "../../src/checkpoint/folder.ts";
import type { Kernel } from "../../src/kernel/kernel-types.ts";
import type { PlannedTensor } from "../../src/models/architecture.ts";
import { safetensors } from "../hostile/case.ts";
import { copyModel } from "./models.ts";

export const openBaseFolder = async (folder: string): Promise<Base> =>
  readBase(await openFolder(folder), { allowHeaderOnly: false });

/** All values of a tensor of the MLX repository, as bytes. */
export async function bytesOf(base: Base, tensor: PlannedTensor, kernel: Kernel): Promise<Buffer> {
  const read = baseRows(base.checkpoint, kernel);
  const members: Buffer[] = [];
  for (let member = 0; member < tensor.sources.length; member++) {
    const { bytes } = await read(tensor, { member, start: 0, end: memberRows(tensor) });
    members.push(Buffer.from(bytes));
  }
  return Buffer.concat(members);
}

/**
 * Makes the folder that mlx-lm's conversion without quantization makes of a base. Tensors for which
 * `leaves` holds keep their names and shapes of the base.
 */
export async function convertUnquantized(
  from: string,
  kernel: Kernel,
  leaves: (name: string) => boolean = () => false,
): Promise<string> {
  const folder = await copyModel(from, "converted");
  const base = await openBaseFolder(from);
  const header: Record<string, unknown> = { __metadata__: { format: "mlx" } };
  const parts: Buffer[] = [];
  let end = 0;
  const add = (name: string, dtype: string, shape: readonly number[], bytes: Buffer) => {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    parts.push(bytes);
    end += bytes.length;
  };
  for (const tensor of base.tensors) {
    if (!leaves(tensor.name)) {
      add(tensor.name, tensor.dtype, tensor.shape, await bytesOf(base, tensor, kernel));
      continue;
    }
    for (const { tensor: name } of tensor.sources) {
      const { dtype, shape, start, end: stop } = base.checkpoint.tensors.get(name)!;
      add(name, dtype, shape, Buffer.from(await base.checkpoint.read(name, 0, stop - start)));
    }
  }
  await base.checkpoint.close();
  // As text: parsed and written again, 7.0 would be 7, which transformers refuses.
  const config = await readFile(join(folder, "config.json"), "utf8");
  const plain = config.replace(/,\s*"quantization_config": \{[^{}]*\}/, "");
  await writeFile(join(folder, "config.json"), plain);
  await writeFile(join(folder, "model.safetensors"), safetensors(header, Buffer.concat(parts)));
  return folder;
}

/**
 * A folder with the values of a base that stock mlx-lm reads. It passes gpt-oss's mxfp4 experts
 * through, and takes float experts for another layout than transformers'. It converts a qwen3_next
 * only if that has experts.
 */
export async function readableByMlx(folder: string, kernel: Kernel): Promise<string> {
  return /gpt_oss|without-experts/.test(folder) ? convertUnquantized(folder, kernel) : folder;
}
