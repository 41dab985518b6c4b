import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { knownModels } from "../../bench/sizes/models.ts";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { type MadeTensor, tensorsOf, writeCheckpoint } from "./checkpoints.ts";

/** How makers store a matrix of shape `[rows, columns]`: the tensors instead of its floats. */
export type Storage = (weight: string, shape: readonly number[]) => readonly MadeTensor[];

const made = (name: string, dtype: string, ...shape: number[]): MadeTensor => {
  return { name, dtype, shape };
};
const beside = (weight: string, name: string) => weight.replace(/weight$/, name);
const upTo = (size: number, block: number) => Math.ceil(size / block);
const two = (shape: readonly number[]) => shape as readonly [number, number];

/** Names, dtypes and shapes as in the makers' files. */
export const storages = {
  /** ModelOpt's FP8, with its scales of activations and of the key-value cache. */
  fp8OfModelOpt: (weight, shape) => [
    made(weight, "F8_E4M3", ...shape),
    made(`${weight}_scale`, "F32"),
    made(beside(weight, "input_scale"), "F32"),
    ...(/\.[kv]_proj\./.test(weight)
      ? [made(beside(weight, `${/\.([kv])_proj/.exec(weight)![1]}_scale`), "F32")]
      : []),
  ],
  nvfp4OfModelOpt: (weight, shape) => {
    const [rows, columns] = two(shape);
    return [
      made(weight, "U8", rows, columns / 2),
      made(`${weight}_scale`, "F8_E4M3", rows, columns / 16),
      made(`${weight}_scale_2`, "F32"),
      made(beside(weight, "input_scale"), "F32"),
    ];
  },
  fp8InBlocks: (weight, shape) => {
    const [rows, columns] = two(shape);
    const grid = [upTo(rows, 128), upTo(columns, 128)];
    return [made(weight, "F8_E4M3", rows, columns), made(`${weight}_scale_inv`, "BF16", ...grid)];
  },
  fp8InRows: (weight, shape) => {
    const [rows, columns] = two(shape);
    return [made(weight, "F8_E4M3", rows, columns), made(`${weight}_scale`, "BF16", rows, 1)];
  },
  int4InGroups: (weight, shape) => {
    const [rows, columns] = two(shape);
    return [
      made(`${weight}_packed`, "I32", rows, columns / 8),
      made(`${weight}_scale`, "BF16", rows, columns / 128),
      made(`${weight}_shape`, "I64", 2),
    ];
  },
  gptq: (weight, shape) => {
    const [rows, columns] = two(shape);
    return [
      made(beside(weight, "qweight"), "I32", columns / 8, rows),
      made(beside(weight, "qzeros"), "I32", columns / 128, rows / 8),
      made(beside(weight, "scales"), "F16", columns / 128, rows),
      made(beside(weight, "g_idx"), "I32", columns),
    ];
  },
  /** Of a stack whose parameter is `[experts, in, out]`. */
  mxfp4: (weight, shape) => {
    const [experts, columns, rows] = shape as [number, number, number];
    return [
      made(`${weight}_blocks`, "U8", experts, rows, columns / 32, 16),
      made(`${weight}_scales`, "U8", experts, rows, columns / 32),
    ];
  },
} satisfies Record<string, Storage>;

/** A repository of a maker, as far as its headers. */
export interface Published {
  readonly id: string;
  /** The known model whose sizes it has. */
  readonly like: string;
  /** Metadata of its card; null: it has no card. */
  readonly card: string | null;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** `hf_quant_config.json` */
  readonly modelOpt?: unknown;
  /** How a matrix is stored; null: as floats. */
  readonly store: (weight: string) => keyof typeof storages | null;
}

/** Writes the headers of a repository, config and card. Gives its folder. */
export async function writePublished(folder: string, published: Published): Promise<string> {
  const { id, card, settings, modelOpt, store } = published;
  const at = join(folder, id.slice(id.lastIndexOf("/") + 1));
  const config = configLike(published.like);
  const tensors = tensorsOf(config).flatMap((tensor) => {
    const way = tensor.shape.length > 1 ? store(tensor.name) : null;
    return way === null ? [tensor] : storages[way](tensor.name, tensor.shape);
  });
  await mkdir(at, { recursive: true });
  const written = { ...config, ...(settings && { quantization_config: settings }) };
  await writeCheckpoint(at, written, { tensors, shards: 2, filling: "header-only" });
  if (card !== null) await writeFile(join(at, "README.md"), `---\n${card}\n---\n# ${id}\n`);
  if (modelOpt !== undefined)
    await writeFile(join(at, "hf_quant_config.json"), JSON.stringify(modelOpt));
  return at;
}

/** The config of a known model, as that of its floats. */
export function configLike(id: string): ModelConfig {
  const known = knownModels.find((one) => one.id === id);
  if (known === undefined) throw new Error(`no known model ${id}`);
  const { quantization_config: _, ...config } = known.config;
  return config;
}
