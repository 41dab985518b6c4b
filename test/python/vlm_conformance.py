"""Compares tiers of vision-language models with stock mlx-lm and mlx-vlm.

    vlm_conformance.py BASE TIER [BASE TIER ...]

One repository serves both: mlx-lm skips the towers, mlx-vlm reads them. Prints one JSON line per
check: {"task", "check", "ok", "detail"}. `task` is the tier's folder.
"""
import json
import pathlib
import sys

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model as load_text
from mlx_vlm.utils import load_model as load_vision

current = ""
patches = 4  # a side of the picture


def report(check, ok, detail=""):
    line = {"task": current, "check": check, "ok": bool(ok), "detail": str(detail)}
    print(json.dumps(line), flush=True)


def text_logits(model, ids):
    model.set_dtype(mx.float32)
    out = model(ids)
    return np.array(getattr(out, "logits", out)).astype(np.float64)


def tower(model):
    return dict(tree_flatten(model.vision_tower.parameters()))


def bits(tensor):
    return np.array(tensor.view(mx.uint8))


def seen(model, config):
    """What the tower makes of a picture: a grid of patches with made-up pixels."""
    vision = config["vision_config"]
    size = vision["in_channels"] * vision["temporal_patch_size"] * vision["patch_size"] ** 2
    pixels = mx.sin(mx.arange(patches * patches * size, dtype=mx.float32)).reshape(-1, size)
    model.set_dtype(mx.float32)
    out = model.vision_tower(pixels, mx.array([[1, patches, patches]]))
    return np.array(out[0] if isinstance(out, tuple) else out)


def check(base, tier):
    base, tier = pathlib.Path(base), pathlib.Path(tier)
    config = json.load(open(tier / "config.json"))
    ids = mx.array([[(7 * i * i + 3 * i + 5) % config["text_config"]["vocab_size"] for i in range(24)]])
    of_base, of_tier = load_vision(base), load_vision(tier)
    ours, theirs = tower(of_tier), tower(of_base)
    same = {name: (value.shape, str(value.dtype)) for name, value in ours.items()}
    expected = {name: (value.shape, str(value.dtype)) for name, value in theirs.items()}
    report("mlx-vlm has the base's tower: names, shapes, dtypes", same == expected, f"{len(same)} tensors")
    differ = [name for name in theirs if not np.array_equal(bits(ours[name]), bits(theirs[name]))]
    report("every value of the tower is the base's, bit for bit", not differ, differ[:3])
    report("the tower sees the same", np.array_equal(seen(of_tier, config), seen(of_base, config)))
    text, _ = load_text(tier)
    a, b = text_logits(text, ids), text_logits(of_tier.language_model, ids)
    gap = np.linalg.norm(a - b) / np.linalg.norm(a)
    report("mlx-lm and mlx-vlm have the same logits of text", gap < 1e-5, f"relative L2 {gap:.2e}")


pairs = sys.argv[1:]
for base, tier in zip(pairs[::2], pairs[1::2], strict=True):
    current = tier
    try:
        check(base, tier)
    except Exception as error:
        report("is loaded", False, f"{type(error).__name__}: {error}")
