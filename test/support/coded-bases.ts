import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rewriteBase, type Tensors } from "./base-layouts.ts";
import { asExactFp8, asFp8, asInt4, asPackedFp4, type CodedMatrix } from "./coded-layouts.ts";
import type { StoredBytes } from "./safetensors.ts";

/** A way to publish a base of floats as codes. */
export interface Publication {
  /** `quantization_config` of its config. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Codes a matrix by the end of its name; null: it stays as it is. */
  readonly code: (leaf: string, matrix: StoredBytes, weight: string) => CodedMatrix | null;
  /** Names of the tensors that the base stores for a matrix. */
  readonly name: (weight: string) => Readonly<Record<"codes" | "scales" | "zeros", string>>;
  /** Tensors that the base stores beside the codes. */
  readonly beside?: (weight: string, matrix: StoredBytes) => readonly [string, StoredBytes][];
}

const scaled = (suffix: string) => (weight: string) => {
  return { codes: weight, scales: `${weight}${suffix}`, zeros: "" };
};
const packed = (weight: string) => ({
  codes: `${weight}_packed`,
  scales: `${weight}_scale`,
  zeros: `${weight}_zero_point`,
});
const scalar = (value: number): StoredBytes => {
  return { dtype: "F32", shape: [], bytes: new Uint8Array(Float32Array.of(value).buffer) };
};
const shapeOf = (weight: string, { shape }: StoredBytes): [string, StoredBytes] => {
  const bytes = new Uint8Array(BigInt64Array.from(shape, BigInt).buffer);
  return [`${weight}_shape`, { dtype: "I64", shape: [2], bytes }];
};
const compressed = (format: string, weights: object) => ({
  quant_method: "compressed-tensors",
  format,
  ignore: ["lm_head", "re:.*gate$"],
  config_groups: { group_0: { targets: ["Linear"], weights, input_activations: null } },
  kv_cache_scheme: null,
});
const shared = { actorder: null, dynamic: false, observer: "minmax" };
const group = (size: number) => ({ ...shared, group_size: size, strategy: "group" });

const leafOf = (weight: string) => /\.([qkvo]|gate|up|down|in|out)_proj\.weight$/.exec(weight)?.[1];
const isProjection = (leaf: string) => !/^(gate|up|down)$/.test(leaf);

/** Every way that is decoded. */
export const publications: Readonly<Record<string, Publication>> = {
  "fp8 in blocks, one of each shape": {
    settings: {
      quant_method: "fp8",
      weight_block_size: [32, 48],
      modules_to_not_convert: ["lm_head", "model.layers.0.mlp.gate"],
    },
    code: (leaf, matrix) => {
      const [rows, columns] = matrix.shape as [number, number];
      const blocks: Record<string, readonly [number, number]> = {
        k: [1, columns],
        v: [rows, columns],
        down: [1, 32],
      };
      const [high, wide] = blocks[leaf] ?? [32, 48];
      const own = [Math.min(high, rows), Math.min(wide, columns)] as const;
      const made = asFp8(matrix, own, leaf === "o" || leaf === "down");
      return leaf === "v" ? { ...made, scales: { ...made.scales, shape: [] } } : made;
    },
    name: scaled("_scale_inv"),
    beside: (weight) => [[weight.replace(/weight$/, "activation_scale"), scalar(0.5)]],
  },
  "fp8 in blocks, values that BF16 does not hold": {
    settings: { quant_method: "fp8", weight_block_size: [64, 64] },
    code: (_, matrix) => asExactFp8(matrix, [64, 64]),
    name: scaled("_scale_inv"),
  },
  "fp8, a scale a tensor, of ModelOpt": {
    settings: { quant_method: "modelopt", quant_algo: "FP8", ignore: ["lm_head"] },
    code: (_, matrix) => {
      const made = asFp8(matrix, matrix.shape as [number, number]);
      return { ...made, scales: { ...made.scales, shape: [] } };
    },
    name: scaled("_scale"),
    beside: (weight) => [
      [weight.replace(/weight$/, "input_scale"), scalar(0.5)],
      ...(weight.endsWith("k_proj.weight")
        ? ([[weight.replace(/weight$/, "k_scale"), scalar(1)]] as [string, StoredBytes][])
        : []),
    ],
  },
  "fp8, a scale a row, of compressed-tensors": {
    settings: compressed("float-quantized", {
      ...shared,
      ...{ num_bits: 8, type: "float", symmetric: true, strategy: "channel", group_size: null },
    }),
    code: (_, matrix) => asFp8(matrix, [1, matrix.shape[1]!]),
    name: scaled("_scale"),
  },
  mxfp8: {
    settings: { quant_method: "mxfp8", weight_block_size: [1, 32], scale_fmt: "ue8m0" },
    code: (_, matrix) => {
      const made = asFp8(matrix, [1, 32], true);
      return { ...made, scales: { ...made.scales, dtype: "U8" } };
    },
    name: scaled("_scale_inv"),
  },
  "int4 of compressed-tensors": {
    settings: compressed("pack-quantized", {
      ...group(32),
      ...{ num_bits: 4, type: "int", symmetric: true },
    }),
    code: (_, matrix) => asInt4(matrix, 32, false),
    name: packed,
    beside: (weight, matrix) => [shapeOf(weight, matrix)],
  },
  "int4 with zero points of compressed-tensors": {
    settings: compressed("pack-quantized", {
      ...group(64),
      ...{ num_bits: 4, type: "int", symmetric: false },
    }),
    code: (_, matrix) => asInt4(matrix, 64, true),
    name: packed,
    beside: (weight, matrix) => [shapeOf(weight, matrix)],
  },
  "fp8 in blocks of ModelOpt": {
    settings: {
      quant_method: "modelopt",
      quant_algo: "fp8_pb_wo",
      group_size: 64,
      ignore: ["*head*"],
    },
    code: (_, matrix) => {
      const made = asFp8(matrix, [64, 64]);
      const [down, across] = made.scales.shape as [number, number];
      return { ...made, scales: { ...made.scales, shape: [down, 1, across, 1] } };
    },
    name: scaled("_scale"),
  },
  "fp8 and mxfp8 of ModelOpt, by layer": {
    settings: {
      quant_method: "modelopt",
      quant_algo: "MIXED_PRECISION",
      ignore: ["lm_head", "backbone.layers.*.mixer.conv1d", "mtp*"],
      quantized_layers: Object.fromEntries(
        ["model", "backbone"].flatMap((stem) =>
          [0, 1, 2, 3, 4, 5, 6, 7].map((layer) => [
            `${stem}.layers.${layer}`,
            { quant_algo: layer === 0 ? "FP8" : "MXFP8" },
          ]),
        ),
      ),
    },
    code: (_, matrix, weight) => {
      if (!weight.includes("layers.0.")) return asFp8(matrix, [1, 32], true);
      const made = asFp8(matrix, matrix.shape as [number, number]);
      return { ...made, scales: { ...made.scales, shape: [1] } };
    },
    name: scaled("_scale"),
  },
  "fp8 and int4 of compressed-tensors, by patterns": {
    settings: {
      ...compressed("mixed-precision", {}),
      config_groups: {
        group_0: {
          targets: ["Linear"],
          format: "pack-quantized",
          weights: { ...group(32), num_bits: 4, type: "int", symmetric: true },
        },
        group_1: {
          targets: ["re:.*\\.[qkvo]_proj$", "re:.*mixer\\.(in|out)_proj"],
          format: "float-quantized",
          weights: { ...shared, num_bits: 8, type: "float", strategy: "channel" },
        },
      },
    },
    code: (leaf, matrix) =>
      isProjection(leaf) ? asFp8(matrix, [1, matrix.shape[1]!]) : asInt4(matrix, 32, false),
    name: (weight) => (isProjection(leafOf(weight)!) ? scaled("_scale") : packed)(weight),
  },
  "mxfp4 of compressed-tensors": {
    settings: compressed("mxfp4-pack-quantized", {
      ...group(32),
      ...{ num_bits: 4, type: "float", symmetric: true, scale_dtype: "torch.uint8" },
    }),
    code: (_, matrix) => asPackedFp4(matrix),
    name: packed,
  },
};

/**
 * Writes two bases into `folder`: `codes`, the base in `from` as it is published, and `values`:
 * what the codes stand for.
 */
export async function publish(
  from: string,
  folder: string,
  publication: Publication,
): Promise<{ readonly values: string; readonly codes: string }> {
  const [values, codes] = [false, true].map((coded) =>
    rewriteBase(from, join(folder, coded ? "codes" : "values"), (tensors) =>
      store(tensors, publication, coded),
    ),
  ) as [string, string];
  await declare(codes, publication.settings);
  return { values, codes };
}

function store(tensors: Tensors, { code, name, beside }: Publication, coded: boolean): void {
  for (const [weight, matrix] of [...tensors]) {
    const leaf = leafOf(weight);
    const made = leaf === undefined ? null : code(leaf, matrix, weight);
    if (made === null) continue;
    tensors.set(weight, made.values);
    if (!coded) continue;
    tensors.delete(weight);
    const names = name(weight);
    tensors.set(names.codes, made.codes);
    tensors.set(names.scales, made.scales);
    if (made.zeros !== undefined) tensors.set(names.zeros, made.zeros);
    for (const [other, bytes] of beside?.(weight, matrix) ?? []) tensors.set(other, bytes);
  }
}

/** Says in the config of a base how its weights are coded. Keeps the text of its numbers. */
export async function declare(folder: string, settings: object): Promise<void> {
  const path = join(folder, "config.json");
  const text = (await readFile(path, "utf8")).replace(/^\{"quantization_config":.*\}\n,/, "{");
  const own = JSON.stringify(settings);
  await writeFile(path, `{"quantization_config":${own}\n,${text.slice(text.indexOf("{") + 1)}`);
}
