"""Checkpoints as float32 numpy arrays, from the stored bytes alone: a Hugging Face base or an MLX
repository, quantized or not.

Written from the formats' definitions (docs/format.md), without MLX and without our kernel, so that
both can be checked against it.
"""
import json
import pathlib
import re
import struct

import numpy as np


def read_safetensors(file):
    """Name -> array. bf16 and f16 widen to float32; U32 stays (packed codes)."""
    data = pathlib.Path(file).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = widen(data[start:end], entry["dtype"]).reshape(entry["shape"])
    return tensors


def widen(data, dtype):
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype == "F16":
        return np.frombuffer(data, "<f2").astype(np.float32)
    return np.frombuffer(data, {"F32": "<f4", "U32": "<u4"}[dtype])


def unpack(words, bits):
    """U32 [..., words] -> codes [..., columns]: each row is one little-endian stream of `bits` a
    code."""
    rows = np.ascontiguousarray(words).view(np.uint8)
    stream = np.unpackbits(rows, axis=-1, bitorder="little")
    stream = stream.reshape(*rows.shape[:-1], -1, bits)
    return (stream << np.arange(bits, dtype=np.uint8)).sum(-1, dtype=np.uint8)


def dequantize(words, scales, biases, bits, group):
    """code * scale + bias in float32, product rounded first."""
    codes = unpack(words, bits).astype(np.float32)
    grouped = codes.reshape(*codes.shape[:-1], -1, group)
    return (grouped * scales[..., None] + biases[..., None]).reshape(codes.shape)


def load(folder):
    """(config, weights) with MLX's names and shapes; quantized modules dequantized."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    tensors = {}
    for shard in sorted(folder.glob("model*.safetensors")):
        tensors.update(read_safetensors(shard))
    widths = config.get("quantization", {})
    for path in [name.removesuffix(".scales") for name in tensors if name.endswith(".scales")]:
        own = widths.get(path, widths)
        parts = (tensors.pop(f"{path}.{part}") for part in ("weight", "scales", "biases"))
        tensors[f"{path}.weight"] = dequantize(*parts, own["bits"], own["group_size"])
    return config, as_mlx(tensors)


def as_mlx(tensors):
    """A base's names and shapes as mlx-lm renames nemotron_h: experts stacked as fc1/fc2, the
    convolution's taps last."""
    weights, experts = {}, {}
    for name, tensor in tensors.items():
        found = re.fullmatch(r"(.*\.mixer)\.experts\.(\d+)\.(up|down)_proj\.weight", name)
        if found:
            stack = f"{found[1]}.switch_mlp.{'fc1' if found[3] == 'up' else 'fc2'}.weight"
            experts.setdefault(stack, {})[int(found[2])] = tensor
        elif name.endswith("conv1d.weight"):
            weights[name] = tensor.reshape(tensor.shape[0], -1)  # [channels, taps], the unit axis first or last
        else:
            weights[name] = tensor
    for name, stack in experts.items():
        weights[name] = np.stack([stack[e] for e in range(len(stack))])
    return weights
