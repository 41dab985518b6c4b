/** Models that a type covers, by the names of their families. A test compares the types. */
export const families: Readonly<Record<string, string>> = {
  nemotron_h:
    "Nemotron 3 Nano, Super, Ultra and Omni (text, or whole for mlx-vlm), Nemotron Nano 2 and its VL, Nemotron-H",
  llama: "Llama 2 and 3, and what derives from them: SmolLM 2, Hermes, TinyLlama, MiniCPM 5",
  mistral: "Mistral 7B and Nemo, Mistral Small 2501",
  qwen2: "Qwen2, Qwen2.5 and its Coder and Math models, DeepSeek-R1-Distill-Qwen",
  qwen3: "Qwen3 dense, 0.6B to 32B, and its 2507 releases",
  qwen3_moe: "Qwen3-30B-A3B and 235B-A22B, Qwen3-Coder-30B-A3B and 480B-A35B",
  qwen3_next: "Qwen3-Next-80B-A3B, Qwen3-Coder-Next",
  qwen3_5: "Qwen3.5, 3.6 and 3.8 dense",
  qwen3_5_moe: "Qwen3.5 and 3.6 with experts: 35B-A3B, 122B-A10B, 397B-A17B",
  gpt_oss: "gpt-oss-20b, gpt-oss-120b",
};
