import { configLike, type Published, type storages } from "./published.ts";

const nano = "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16";
const nano9 = "nvidia/NVIDIA-Nemotron-Nano-9B-v2";
const superId = "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16";
const pattern = configLike(nano).hybrid_override_pattern as string;

/** Attention, the Mamba block before each of it, convolutions and the head stay floats. */
const apart = [...pattern].flatMap((kind, layer) => {
  const at = `backbone.layers.${layer}.mixer`;
  if (kind === "*") return [..."qkvo"].map((leaf) => `${at}.${leaf}_proj`);
  const isBefore = kind === "M" && pattern[layer + 1] === "*";
  const projections = isBefore ? [`${at}.in_proj`, `${at}.out_proj`] : [];
  return kind === "M" ? [...projections, `${at}.conv1d`] : [];
});
const excluded = ["lm_head", ...apart];
const isLinear = (weight: string) =>
  /\.(in|out|up|down|[qkvo]|gate)_proj\.weight$/.test(weight) && !weight.includes(".mtp");
const linearBut = (kind: keyof typeof storages, but: readonly string[]) => (weight: string) =>
  isLinear(weight) && !but.includes(weight.replace(/\.weight$/, "")) ? kind : null;
const linear = (kind: keyof typeof storages) => linearBut(kind, []);

const eight = { dynamic: false, num_bits: 8, type: "float" };
const producer = { name: "modelopt", version: "0.37.0" };
const fp8Settings = {
  config_groups: {
    group_0: { input_activations: eight, weights: eight, targets: ["Linear"] },
  },
  ignore: ["lm_head", "backbone.layers.*.mixer.conv1d", ...apart.filter((n) => !/conv1d/.test(n))],
  kv_cache_scheme: eight,
  producer,
  quant_algo: "FP8",
  quant_method: "modelopt",
};
const quantized = (algorithm: string, fields: object) => ({
  producer,
  quantization: { quant_algo: algorithm, kv_cache_quant_algo: "FP8", ...fields },
});
/** Of the layers of Super, the experts of one and the Mamba block of another. */
const mixed = {
  "backbone.layers.0.mixer.in_proj": { quant_algo: "FP8" },
  "backbone.layers.1.mixer.experts.0.up_proj": { quant_algo: "NVFP4", group_size: 16 },
  "backbone.layers.1.mixer.experts.0.down_proj": { quant_algo: "NVFP4", group_size: 16 },
};
const compressed = (format: string, weights: object, ignore: readonly string[]) => ({
  quant_method: "compressed-tensors",
  format,
  quantization_status: "compressed",
  global_compression_ratio: null,
  kv_cache_scheme: null,
  ignore,
  config_groups: { group_0: { targets: ["Linear"], weights, input_activations: null } },
});

const asFp8: Omit<Published, "id" | "card"> = {
  like: nano,
  settings: fp8Settings,
  modelOpt: quantized("FP8", { exclude_modules: excluded }),
  store: linearBut("fp8OfModelOpt", excluded),
};
const blocks = {
  quant_method: "fp8",
  activation_scheme: "dynamic",
  fmt: "e4m3",
  weight_block_size: [128, 128],
};

/** Cards as they would be if these were the only weights that their makers publish. */
export const planned: Record<string, Published & { readonly words: RegExp }> = {
  "FP8 of ModelOpt, in both files": {
    ...asFp8,
    ...{ id: "nvidia/Nemotron-Only-8", card: "license: other" },
    words: /published as FP8 with a scale for each tensor;/,
  },
  "layers of FP8 and of rows": {
    id: "nvidia/Nemotron-Mixed",
    card: "license: other",
    like: nano9,
    modelOpt: quantized("MIXED_PRECISION", {
      exclude_modules: ["*lm_head*", "backbone.layers.*.mixer.conv1d", "mtp*"],
      quantized_layers: Object.fromEntries(
        [...(configLike(nano9).hybrid_override_pattern as string)].map((kind, layer) => [
          `backbone.layers.${layer}.mixer`,
          { quant_algo: kind === "M" ? "FP8" : "FP8_PER_CHANNEL_PER_TOKEN" },
        ]),
      ),
    }),
    store: (weight) => {
      if (!isLinear(weight)) return null;
      return /\.(in|out)_proj/.test(weight) ? "fp8OfModelOpt" : "fp8InRows";
    },
    words: /published as FP8 with a scale for each tensor and FP8 with a scale for each row;/,
  },
  "fp8 in blocks, with routers and norms named": {
    id: "Qwen/Qwen3-Only",
    card: "license: apache-2.0",
    like: "Qwen/Qwen3-30B-A3B",
    settings: {
      ...blocks,
      modules_to_not_convert: [
        "lm_head",
        ...Array.from({ length: 48 }, (_, layer) => [
          `model.layers.${layer}.input_layernorm`,
          `model.layers.${layer}.mlp.gate`,
          `model.layers.${layer}.post_attention_layernorm`,
        ]).flat(),
      ],
    },
    store: linear("fp8InBlocks"),
    words: /published as FP8 with a scale for each block of 128 × 128;/,
  },
  "mxfp4 of gpt-oss": {
    id: "openai/gpt-oss-20b",
    card: "license: apache-2.0",
    like: "openai/gpt-oss-20b",
    settings: {
      quant_method: "mxfp4",
      modules_to_not_convert: [
        "model.layers.*.self_attn",
        "model.layers.*.mlp.router",
        "model.embed_tokens",
        "lm_head",
      ],
    },
    store: (weight) => (/experts\.(gate_up|down)_proj$/.test(weight) ? "mxfp4" : null),
    words: /published as MXFP4 with a scale for each group of 32;/,
  },
  "int4 and rows of fp8 in groups of compressed-tensors": {
    id: "acme/Two-Groups",
    card: "license: mit",
    like: "meta-llama/Llama-3.1-8B",
    settings: {
      ...compressed("mixed-precision", {}, ["re:.*lm_head"]),
      config_groups: {
        group_0: {
          targets: ["re:.*self_attn.*"],
          format: "float-quantized",
          weights: { num_bits: 8, type: "float", strategy: "channel", symmetric: true },
        },
        group_1: {
          targets: ["Linear"],
          format: "pack-quantized",
          weights: { num_bits: 4, type: "int", strategy: "group", group_size: 128 },
        },
      },
    },
    store: (weight) => {
      if (!isLinear(weight)) return null;
      return weight.includes("self_attn") ? "fp8InRows" : "int4InGroups";
    },
    words: /published as FP8 with a scale for each row and 4-bit integers .* group of 128;/,
  },
};

const llama = "meta-llama/Llama-3.1-8B";
const copyOf = (id: string) => `base_model:\n- ${id}`;
const asInt4 = { num_bits: 4, type: "int", strategy: "group", group_size: 128, symmetric: true };

/** What makers publish beside the floats. The last text is the repository to use instead. */
export const refused: Record<string, readonly [Published, why: RegExp, instead: string]> = {
  "Nemotron 3 Nano FP8": [
    { ...asFp8, id: "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-FP8", card: copyOf(nano) },
    /its card says that it is a quantization of/,
    `Name "${nano}" as the base`,
  ],
  "Nemotron 3 Nano NVFP4, whose card names no original": [
    {
      id: "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4",
      card: "license: other",
      like: nano,
      modelOpt: quantized("NVFP4", { group_size: 16, exclude_modules: excluded }),
      store: linearBut("nvfp4OfModelOpt", excluded),
    },
    /hf_quant_config\.json has "quantization" \("modelopt"\) with quant_algo "NVFP4"; .* FP8_PB_WO/,
    'may be "NVIDIA-Nemotron-3-Nano-30B-A3B" or "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"',
  ],
  "Nemotron 3 Super NVFP4, of mixed precision": [
    {
      id: "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4",
      card: copyOf(superId),
      like: nano9,
      settings: {
        ...fp8Settings,
        ...{ ignore: [], quant_algo: "MIXED_PRECISION", quantized_layers: mixed },
      },
      modelOpt: quantized("MIXED_PRECISION", { quantized_layers: mixed }),
      store: () => null,
    },
    /quant_algo "NVFP4" for "backbone\.layers\.1\.mixer\.experts\.0\.up_proj"/,
    `Name "${superId}" as the base`,
  ],
  "Nemotron Nano 2 FP8": [
    {
      id: "nvidia/NVIDIA-Nemotron-Nano-9B-v2-FP8",
      card: copyOf(nano9),
      like: nano9,
      modelOpt: quantized("FP8", { exclude_modules: ["lm_head", "*conv1d*"] }),
      store: linear("fp8OfModelOpt"),
    },
    /its card says that it is a quantization of/,
    `Name "${nano9}" as the base`,
  ],
  "Llama FP8 by Meta": [
    {
      id: "meta-llama/Llama-3.1-405B-Instruct-FP8",
      card: "license: llama3.1",
      like: llama,
      settings: {
        quant_method: "fbgemm_fp8",
        activation_scale_ub: 1200,
        modules_to_not_convert: ["model.layers.0.self_attn.q_proj", "lm_head"],
      },
      store: linearBut("fp8InRows", ["model.layers.0.self_attn.q_proj"]),
    },
    /config\.json has "quantization_config" \("fbgemm_fp8"\)/,
    'may be "Llama-3.1-405B-Instruct" or',
  ],
  "Llama FP8 by NVIDIA": [
    {
      id: "nvidia/Llama-3.1-8B-Instruct-FP8",
      card: copyOf("meta-llama/Llama-3.1-8B-Instruct"),
      like: llama,
      modelOpt: quantized("FP8", { exclude_modules: ["lm_head"] }),
      store: linear("fp8OfModelOpt"),
    },
    /its card says that it is a quantization of/,
    'Name "meta-llama/Llama-3.1-8B-Instruct" as the base',
  ],
  "Qwen3 FP8": [
    {
      id: "Qwen/Qwen3-30B-A3B-FP8",
      card: "base_model:\n- Qwen/Qwen3-30B-A3B",
      like: "Qwen/Qwen3-30B-A3B",
      settings: blocks,
      store: linear("fp8InBlocks"),
    },
    /its card says that it is a quantization of/,
    'Name "Qwen/Qwen3-30B-A3B" as the base',
  ],
  "Qwen3 GPTQ": [
    {
      id: "Qwen/Qwen3-0.6B-GPTQ-Int8",
      card: copyOf("Qwen/Qwen3-0.6B"),
      like: "Qwen/Qwen3-0.6B",
      settings: { quant_method: "gptq", bits: 8, group_size: 128, desc_act: false, sym: true },
      store: linear("gptq"),
    },
    /config\.json has "quantization_config" \("gptq"\)/,
    'Name "Qwen/Qwen3-0.6B" as the base',
  ],
  "Qwen3 AWQ": [
    {
      id: "Qwen/Qwen3-8B-AWQ",
      card: copyOf("Qwen/Qwen3-8B"),
      like: "Qwen/Qwen3-8B",
      settings: {
        quant_method: "awq",
        bits: 4,
        group_size: 128,
        version: "gemm",
        zero_point: true,
      },
      store: linear("gptq"),
    },
    /config\.json has "quantization_config" \("awq"\)/,
    'Name "Qwen/Qwen3-8B" as the base',
  ],
  "int4 by somebody else": [
    {
      id: "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16",
      card: "base_model: meta-llama/Meta-Llama-3.1-8B-Instruct",
      like: llama,
      settings: compressed("pack-quantized", asInt4, ["lm_head"]),
      store: linear("int4InGroups"),
    },
    /its card says that it is a quantization of/,
    'Name "meta-llama/Meta-Llama-3.1-8B-Instruct" as the base',
  ],
  "int8 by somebody else": [
    {
      id: "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8",
      card: "base_model: meta-llama/Meta-Llama-3.1-8B-Instruct",
      like: llama,
      settings: compressed("int-quantized", { num_bits: 8, type: "int", strategy: "channel" }, []),
      store: () => null,
    },
    /with format "int-quantized"; this program decodes pack-quantized/,
    'Name "meta-llama/Meta-Llama-3.1-8B-Instruct" as the base',
  ],
};
