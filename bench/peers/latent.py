"""Gives the experts of a trained Nemotron-H a narrower space, as those of Nemotron 3 Super have.

    latent.py BASE OUT [SIZE]

The space has the SIZE (default 128) strongest directions of all up projections of a layer at the
input, and of all down projections at the output, each in a random basis. Needs torch.
"""
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def rotation(size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=generator))[0]


def main():
    base, out = Path(sys.argv[1]), Path(sys.argv[2])
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 128
    out.mkdir(parents=True, exist_ok=True)
    for file in base.iterdir():
        if file.suffix in (".json", ".jinja") and not file.name.endswith(".index.json"):
            shutil.copy(file, out / file.name)
    config = json.loads((base / "config.json").read_text())
    tensors = {}
    for file in base.glob("*.safetensors"):
        tensors |= load_file(file)
    experts = range(config["n_routed_experts"])
    for layer, kind in enumerate(config["hybrid_override_pattern"]):
        if kind != "E":
            continue
        mixer = f"backbone.layers.{layer}.mixer."
        ups = [f"{mixer}experts.{expert}.up_proj.weight" for expert in experts]
        downs = [f"{mixer}experts.{expert}.down_proj.weight" for expert in experts]
        _, _, right = torch.linalg.svd(torch.cat([tensors[name].float() for name in ups]), False)
        left, _, _ = torch.linalg.svd(torch.cat([tensors[name].float() for name in downs], 1), False)
        into = rotation(size, layer) @ right[:size]
        back = left[:, :size] @ rotation(size, 1000 + layer)
        tensors[f"{mixer}fc1_latent_proj.weight"] = into
        tensors[f"{mixer}fc2_latent_proj.weight"] = back
        for name in ups:
            tensors[name] = tensors[name].float() @ into.T
        for name in downs:
            tensors[name] = back.T @ tensors[name].float()
    kept = {
        name: tensor if "correction" in name or "A_log" in name else tensor.bfloat16().contiguous()
        for name, tensor in tensors.items()
    }
    save_file(kept, out / "model.safetensors", metadata={"format": "pt"})
    config["moe_latent_size"] = size
    (out / "config.json").write_text(json.dumps(config, indent=2))


main()
