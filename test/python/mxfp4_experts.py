"""Codes the experts of a checkpoint of floats as the authors of gpt-oss publish theirs."""

import json

import torch
from safetensors.torch import load_file, save_file


def code_experts(folder):
    """Codes the experts as mxfp4, in the layout of openai/gpt-oss: [experts, out, in / 32, 16]."""
    tensors = load_file(folder / "model.safetensors")
    steps = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    for name in [name for name in tensors if name.endswith(("experts.gate_up_proj", "down_proj"))]:
        weights = tensors.pop(name).float().transpose(1, 2)
        blocks = weights.reshape(*weights.shape[:-1], -1, 32)
        exponents = torch.floor(torch.log2(blocks.abs().amax(-1))) - 2
        scaled = blocks / torch.exp2(exponents)[..., None]
        codes = (scaled.abs()[..., None] - steps).abs().argmin(-1) + 8 * (scaled < 0)
        pairs = codes.to(torch.uint8).reshape(*codes.shape[:-1], 16, 2)
        tensors[f"{name}_blocks"] = (pairs[..., 0] | (pairs[..., 1] << 4)).contiguous()
        tensors[f"{name}_scales"] = (exponents + 127).to(torch.uint8)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    quantization = {"modules_to_not_convert": kept, "quant_method": "mxfp4"}
    for path in folder.glob("config*json*"):
        config = json.loads(path.read_text()) | {"quantization_config": quantization}
        path.write_text(json.dumps(config, indent=2))
