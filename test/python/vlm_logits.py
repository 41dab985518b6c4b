"""Compares the logits of stock mlx-vlm with those of stock mlx-lm.

    vlm_logits.py TIER...

Prints one JSON line per tier: {"gap"}, the relative L2 of the logits of some tokens, in float32.
"""
import json
import pathlib
import sys

import mlx.core as mx
import numpy as np
from mlx_lm.utils import load_model as load_text
from mlx_vlm.utils import load_model

for path in map(pathlib.Path, sys.argv[1:]):
    config = json.load(open(path / "config.json"))
    size = config.get("text_config", config)["vocab_size"]
    ids = mx.array([[(7 * i * i + 3 * i + 5) % size for i in range(24)]])
    both = [load_text(path)[0], getattr(load_model(path), "language_model")]
    logits = []
    for model in both:
        model.set_dtype(mx.float32)
        out = model(ids)
        logits.append(np.array(getattr(out, "logits", out)).astype(np.float64))
    text, vision = logits
    print(json.dumps({"gap": np.linalg.norm(vision - text) / np.linalg.norm(text)}), flush=True)
