import { join } from "node:path";
import { rewriteBase, stack, type Tensors, toBf16 } from "./base-layouts.ts";
import { declare } from "./coded-bases.ts";
import { asFp8, type CodedMatrix } from "./coded-layouts.ts";
import { someIds } from "./forward-run.ts";
import { byArchitecture } from "./models.ts";
import { addMtp, unstackExperts } from "./mtp.ts";
import type { StoredBytes } from "./safetensors.ts";
import { visionBase } from "./towers.ts";

/**
 * Small bases in the layouts of Qwen's FP8 releases, such as Qwen3-Next-80B-A3B-Instruct-FP8 and
 * Qwen3.6-35B-A3B-FP8: codes with BF16 scales for blocks, a tensor for each expert, codes also in
 * multi-token prediction but for `mtp.fc`, all other modules listed as not converted.
 */

/** Rows and columns of a block. The makers' are 128, which the small matrices do not fill. */
const block = [32, 32] as const;

export interface Fp8Layout {
  readonly type: "qwen3_next" | "qwen3_5" | "qwen3_5_moe";
  /** Of qwen3_5_moe: one tensor for all experts of a layer. Default: one for each. */
  readonly stacked?: boolean;
}

/** Every layout, by a name for people. */
export const fp8Layouts: Readonly<Record<string, Fp8Layout>> = {
  qwen3_next: { type: "qwen3_next" },
  qwen3_5: { type: "qwen3_5" },
  qwen3_5_moe: { type: "qwen3_5_moe" },
  "qwen3_5_moe, experts stacked": { type: "qwen3_5_moe", stacked: true },
};

/** The tokens of the logits in test/golden/fp8. */
export const fp8Ids = someIds(32, 384);

/** Modules that are coded, by the ends of their names. */
const matrices =
  /\.(q|k|v|o|in|out|gate|up|down|in_proj_qkvz|in_proj_qkv|in_proj_z)(_proj)?\.weight$/;
const stacks = /\.experts\.(gate_up|down)_proj$/;
const isCoded = (name: string) =>
  (matrices.test(name) && !/\.mlp\.gate\.weight$/.test(name) && !/visual/.test(name)) ||
  stacks.test(name);

/**
 * Writes two bases into `folder`: `codes` in the layout of the release in FP8, and `values`, what
 * the codes stand for, in that of the release in BF16.
 */
export async function publishFp8(
  { type, stacked = type !== "qwen3_5_moe" }: Fp8Layout,
  folder: string,
): Promise<{ readonly values: string; readonly codes: string }> {
  const kept: string[] = [];
  const write = (name: string, change: (tensors: Tensors) => void) =>
    type === "qwen3_5"
      ? visionBase(join(folder, name), change)
      : rewriteBase(byArchitecture[type]!, join(folder, name), (tensors) => {
          addMtp(tensors);
          unstackExperts(tensors, "mtp.");
          change(tensors);
        });
  const values = write("values", (tensors) => {
    for (const [name, tensor] of tensors)
      if (isCoded(name)) tensors.set(name, codesOf(tensor).values);
  });
  const codes = write("codes", (tensors) => {
    if (!stacked) unstackExperts(tensors, "model.");
    for (const [name, tensor] of [...tensors]) {
      if (!isCoded(name)) kept.push(name.replace(/\.weight$/, ""));
      else {
        const made = codesOf(tensor);
        tensors.set(name, made.codes);
        tensors.set(`${name}_scale_inv`, made.scales);
      }
    }
  });
  await declare(codes, {
    activation_scheme: "dynamic",
    fmt: "e4m3",
    quant_method: "fp8",
    weight_block_size: block,
    // The releases name the embeddings as a model without a tower has them.
    modules_to_not_convert: ["model.embed_tokens", ...kept],
  });
  return { values, codes };
}

function codesOf(tensor: StoredBytes): CodedMatrix {
  const { shape, bytes } = tensor;
  if (shape.length === 2) return withBf16Scales(asFp8(tensor, block));
  const size = bytes.length / shape[0]!;
  const each = Array.from({ length: shape[0]! }, (_, i) => {
    const own = { ...tensor, shape: shape.slice(1), bytes: bytes.slice(i * size, (i + 1) * size) };
    return withBf16Scales(asFp8(own, block));
  });
  return {
    codes: stack(each.map(({ codes }) => codes)),
    scales: stack(each.map(({ scales }) => scales)),
    values: stack(each.map(({ values }) => values)),
  };
}

function withBf16Scales(made: CodedMatrix): CodedMatrix {
  const scales = new Float32Array(made.scales.bytes.slice().buffer);
  return { ...made, scales: { ...made.scales, dtype: "BF16", bytes: toBf16(scales) } };
}
