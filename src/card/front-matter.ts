import { stringify } from "yaml";
import type { Receipt } from "../receipt/receipt.ts";
import { licenceMetadata } from "./licence.ts";

/**
 * Tags that are true of the base's files or services but not of ours, or that the Hub adds by
 * itself.
 */
const untrueOfOurs = new Set(
  (
    "safetensors pytorch torch tf tensorflow jax flax transformers transformers.js vllm sglang " +
    "tensorrt tensorrt-llm " +
    "text-generation-inference endpoints_compatible autotrain_compatible deploy:azure " +
    "custom_code " +
    "gguf ggml llama.cpp llama-cpp onnx openvino coreml tflite executorch mlc-llm mlx-my-repo " +
    "gguf-my-repo " +
    "quantized quantization awq gptq exl2 exl3 eetq hqq aqlm quip bitsandbytes bnb " +
    "compressed-tensors imatrix modelopt " +
    "hessian-tuned bf16 fp16 fp32 bfloat16 float16 fp8 fp4 nvfp4 mxfp4 mxfp8 int8 int4 w4a16 w8a8"
  ).split(" "),
);
const untruePattern =
  /^(\d+-?bits?|q\d_.*|oq[\d.]*e?|(base_model|license|region|dataset|model-index):.*)$/;

/**
 * The card's metadata, in the order it is written. If the base was a folder, `base_model` and its
 * relation are left out: there is no repository to name. If the base's card has no licence, the
 * metadata has none.
 */
export function frontMatter(receipt: Receipt): Record<string, unknown> {
  const { id, inherited } = receipt.base;
  return {
    ...(id !== null && { base_model: id, base_model_relation: "quantized" }),
    library_name: "mlx",
    pipeline_tag: pipelineTag(receipt),
    ...licenceMetadata(receipt),
    ...(inherited.language !== undefined && { language: [...inherited.language] }),
    tags: tags(receipt),
    quantized_by: "oqe-publisher",
  };
}

/** The base's task, unless that needs a tower that was left out. */
function pipelineTag({ base, options: { carry = [], leftOut = [] } }: Receipt): string {
  const hasTower = ["vision", "audio"] as const;
  const lacks = hasTower.some((part) => leftOut.includes(part));
  const has = hasTower.some((part) => carry.includes(part));
  return (lacks && !has ? undefined : base.inherited.pipelineTag) ?? "text-generation";
}

/**
 * The metadata between its two lines. Values that YAML 1.1 readers (PyYAML) would take for a
 * boolean or date are quoted.
 */
export function serializeFrontMatter(fields: Record<string, unknown>): string {
  return `---\n${stringify(fields, { compat: "yaml-1.1", lineWidth: 0, aliasDuplicateObjects: false })}---\n`;
}

function tags(receipt: Receipt): string[] {
  const base = (receipt.base.inherited.tags ?? []).filter((tag) => {
    const lower = tag.toLowerCase();
    return !untrueOfOurs.has(lower) && !untruePattern.test(lower);
  });
  // Not "gptq": the Hub and loaders take it for a format, and these files have MLX's format.
  const tuned = receipt.options.method === "tuned" ? ["hessian-tuned"] : [];
  return [...new Set([...base, "mlx", "oq", "oqe", receipt.plan.tier.toLowerCase(), ...tuned])];
}
