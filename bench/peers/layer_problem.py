"""One linear layer to tune: inputs X [N, K] and a weight W [O, K] as float32 .npy in FOLDER; W
holds bf16 values.

    layer_problem.py FOLDER [K O N]        (default 2048 2048 4096)

Inputs are correlated (a quarter of the directions have most of the energy) and eight channels are
outliers, like hidden states of language models. The seed is fixed, so every run has the same
problem.
"""
import pathlib
import sys

import numpy as np


def bf16(values):
    """Rounded to bf16 (to nearest even), as float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def make(columns, rows, samples, seed=0):
    draw = np.random.default_rng(seed)
    rank = columns // 4
    mixing = draw.standard_normal((columns, rank)).astype(np.float32) * np.float32(0.5)
    common = draw.standard_normal((samples, rank)).astype(np.float32) @ mixing.T / np.float32(np.sqrt(rank))
    x = common + np.float32(0.3) * draw.standard_normal((samples, columns)).astype(np.float32)
    x[:, draw.integers(0, columns, 8)] *= 8
    w = (draw.standard_normal((rows, columns)) * 0.02).astype(np.float32)
    return x, bf16(w)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    x, w = make(*map(int, sys.argv[2:5])) if len(sys.argv) > 2 else make(2048, 2048, 4096)
    np.save(folder / "X.npy", x)
    np.save(folder / "W.npy", w)
