"""The loss for bench/layer.ts: tr(E H E^T) / tr(W H W^T) of stored results, in float64, from their
bytes.

    layer_loss.py FOLDER METHOD...     prints {method: loss}

H = X^T X over all inputs, undamped; E = W - the values of the bytes in FOLDER/<method>/ (code * scale
+ bias in float32).
"""
import json
import pathlib
import sys

import numpy as np
from stored import dequantize


def values_of(folder):
    if (folder / "values.npy").exists():
        return np.load(folder / "values.npy")
    width = json.loads((folder / "width.json").read_text())
    words, scales, biases = (np.load(folder / f"{name}.npy") for name in ("words", "scales", "biases"))
    scales, biases = ((bits.astype(np.uint32) << 16).view(np.float32) for bits in (scales, biases))
    return dequantize(words, scales, biases, width["bits"], width["group_size"])


def energy(matrix, h):
    return float(((matrix @ h) * matrix).sum())


folder = pathlib.Path(sys.argv[1])
x, w = (np.load(folder / f"{name}.npy").astype(np.float64) for name in "XW")
h = x.T @ x
whole = energy(w, h)
print(json.dumps({method: energy(w - values_of(folder / method), h) / whole for method in sys.argv[2:]}))
