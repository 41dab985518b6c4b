"""Compares tiers of vision-language models with stock mlx-lm and mlx-vlm.

    vlm_conformance.py BASE TIER SEEN

One repository serves both: mlx-lm skips the towers, mlx-vlm reads them. SEEN is what transformers'
tower makes of the picture (make_towers.py). Prints one JSON line per check: {"check", "ok",
"detail"}.
"""
import json
import pathlib
import sys

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model as load_text
from mlx_vlm.utils import load_model as load_vision

patches = 4  # a side of the picture


def report(check, ok, detail=""):
    line = {"check": check, "ok": bool(ok), "detail": str(detail)}
    print(json.dumps(line), flush=True)


def text_logits(model, ids):
    model.set_dtype(mx.float32)
    out = model(ids)
    return np.array(getattr(out, "logits", out))


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


def distance(ours, theirs):
    """Relative L2, in float64."""
    ours, theirs = (np.array(x).astype(np.float64) for x in (ours, theirs))
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def check(base, tier, reference):
    config = json.load(open(tier / "config.json"))
    ids = mx.array([[(7 * i * i + 3 * i + 5) % config["text_config"]["vocab_size"] for i in range(24)]])
    of_base, of_tier = load_vision(base), load_vision(tier)
    ours, theirs = tower(of_tier), tower(of_base)
    same = {name: (value.shape, str(value.dtype)) for name, value in ours.items()}
    expected = {name: (value.shape, str(value.dtype)) for name, value in theirs.items()}
    report("mlx-vlm has the base's tower: names, shapes, dtypes", same == expected, f"{len(same)} tensors")
    differ = [name for name in theirs if not np.array_equal(bits(ours[name]), bits(theirs[name]))]
    report("every value of the tower is the base's, bit for bit", not differ, differ[:3])
    gap = distance(seen(of_tier, config), np.load(reference))
    report("the tower sees what transformers' does", gap < 1e-5, f"relative L2 {gap:.2e}")
    text, _ = load_text(tier)
    gap = distance(text_logits(of_tier.language_model, ids), text_logits(text, ids))
    report("mlx-lm and mlx-vlm have the same logits of text", gap < 1e-5, f"relative L2 {gap:.2e}")


check(*(pathlib.Path(path) for path in sys.argv[1:]))
