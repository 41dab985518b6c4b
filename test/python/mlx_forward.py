"""Runs stock mlx-lm's forward passes in float32, for a comparison with ours.

    mlx_forward.py TASKS.json     TASKS = [{"model": folder, "ids": [[…], …], "out": path prefix},
    …]

Writes <out>.logits.npy, float32 [tokens, vocabulary], and <out>.routes.<n>.npy, int32 [tokens,
experts per token], for the n-th block with routed experts.
"""
import json
import pathlib
import sys

import mlx.core as mx
import numpy as np
from mlx_lm.models import switch_layers
from mlx_lm.utils import load_model

chosen = []


def watch(kind):
    """Records the experts that each call of a class asks for."""
    plain = kind.__call__

    def noted(self, x, indices):
        chosen.append(np.array(indices).reshape(-1, indices.shape[-1]).astype(np.int32))
        return plain(self, x, indices)

    kind.__call__ = noted


watch(switch_layers.SwitchMLP)
watch(switch_layers.SwitchGLU)

for task in json.load(open(sys.argv[1])):
    model, _ = load_model(pathlib.Path(task["model"]), lazy=True)
    model.set_dtype(mx.float32)
    model.eval()
    chosen.clear()
    logits = model(mx.array(task["ids"]))
    np.save(f"{task['out']}.logits.npy", np.array(logits).reshape(-1, logits.shape[-1]))
    for n, experts in enumerate(chosen):
        np.save(f"{task['out']}.routes.{n}.npy", experts)
