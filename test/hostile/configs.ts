import { type HostileCase, shard } from "./case.ts";

const weights = { "model.safetensors": shard("w") };

const configs: Record<string, string | Uint8Array> = {
  "config empty": "",
  "config not JSON": "model_type: llama",
  "config cut": '{"model_type": "lla',
  "config array": "[]",
  "config null": "null",
  "config string": '"llama"',
  "config NaN": "NaN",
  "config is an LFS pointer":
    "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 123\n",
  "config with nan in lower case": '{"model_type": "llama", "x": nan}',
  "config with +Infinity": '{"model_type": "llama", "x": +Infinity}',
  "config with None": '{"model_type": "llama", "x": None}',
  "config with __proto__": '{"__proto__": {"model_type": "llama"}}',
  "config nested deep": `{"model_type": ${"[".repeat(50_000)}`,
  "config of NUL bytes": new Uint8Array(4096),
  "model_type missing": "{}",
  "model_type null": '{"model_type": null}',
  "model_type number": '{"model_type": 7}',
  "model_type list": '{"model_type": ["llama"]}',
  "model_type object": '{"model_type": {"toString": 1}}',
  "model_type empty": '{"model_type": ""}',
  "model_type a path": '{"model_type": "../../etc/passwd"}',
  "model_type with a line break": '{"model_type": "llama\\n::error::pwned"}',
  "model_type a sentence": '{"model_type": "llama or so"}',
  "model_type of a megabyte": `{"model_type": "${"l".repeat(1 << 20)}"}`,
  "two dtypes": '{"model_type": "llama", "dtype": "float16", "torch_dtype": "bfloat16"}',
  "two rope_thetas":
    '{"model_type": "llama", "rope_theta": 1e4, "rope_parameters": {"rope_theta": 1e6}}',
  "rope_parameters list": '{"model_type": "llama", "rope_parameters": [1e4]}',
  "rope_parameters number": '{"model_type": "llama", "rope_parameters": 1e4}',
  "two rope scalings":
    '{"model_type": "llama", "rope_scaling": {"rope_type": "linear", "factor": 2}, "rope_parameters": {"rope_type": "linear", "factor": 4}}',
  "two expert counts": '{"model_type": "qwen3_moe", "num_experts": 8, "num_local_experts": 16}',
  "two block patterns":
    '{"model_type": "nemotron_h", "hybrid_override_pattern": "ME", "layers_block_type": ["moe", "mamba"]}',
  "layers_block_type string": '{"model_type": "nemotron_h", "layers_block_type": "MEM"}',
  "layers_block_type object": '{"model_type": "nemotron_h", "layers_block_type": {"0": "mamba"}}',
  "layers_block_type unknown":
    '{"model_type": "nemotron_h", "layers_block_type": ["mamba", "transformer"]}',
  "layers_block_type of letters": '{"model_type": "nemotron_h", "layers_block_type": ["M", "E"]}',
  "layers_block_type with null": '{"model_type": "nemotron_h", "layers_block_type": [null]}',
  "layers_block_type with an object":
    '{"model_type": "nemotron_h", "layers_block_type": [{"toString": 1}]}',
  "layers_block_type constructor":
    '{"model_type": "nemotron_h", "layers_block_type": ["constructor"]}',
};

const quantizedConfigs: Record<string, string> = {
  "quantized by MLX": '{"model_type": "llama", "quantization": {"group_size": 64, "bits": 4}}',
  "quantized by GPTQ":
    '{"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": 4}}',
  "quantized to fp8 in no blocks":
    '{"model_type": "llama", "quantization_config": {"quant_method": "fp8", "weight_block_size": 5}}',
  "quantized by a hostile method":
    '{"model_type": "llama", "quantization_config": {"quant_method": {"toString": 1}}}',
  "quantized without details": '{"model_type": "llama", "quantization_config": true}',
  "quantized by compressed-tensors of old":
    '{"model_type": "llama", "compression_config": {"format": "pack-quantized"}}',
};

export const configCases: readonly HostileCase[] = [
  ...Object.entries(configs).map(
    ([name, text]): HostileCase => ({
      name,
      files: { ...weights, "config.json": text },
      code: "BAD_CHECKPOINT",
      names: "config.json",
    }),
  ),
  ...Object.entries(quantizedConfigs).map(
    ([name, text]): HostileCase => ({
      name,
      files: { ...weights, "config.json": text },
      code: "ALREADY_QUANTIZED",
      names: "config.json",
    }),
  ),
];
