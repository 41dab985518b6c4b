"""A peer of bench/layer.ts: mlx-lm's GPTQ, and plain mx.quantize, on one linear layer in float32 on
the CPU.

    mlx_gptq.py FOLDER BITS            (FOLDER from layer_problem.py; turns as turns.py says)

`mlx-lm` runs mlx_lm.quant.gptq.gptq_quantize itself, forward pass and Hessian included. float32 is
its fast case: MLX multiplies bf16 on a CPU several times more slowly. Scales and biases are cast to
bf16 at the end, as mlx-lm does for a bf16 model.
"""
import contextlib
import importlib.metadata
import os
import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm.quant import gptq
from turns import Stopwatch, serve, store

mx.set_default_device(mx.cpu)
folder, bits, group = sys.argv[1], int(sys.argv[2]), 64
inputs = mx.array(np.load(f"{folder}/X.npy"))
weight = mx.array(np.load(f"{folder}/W.npy"))
inputs = inputs.reshape(8, -1, inputs.shape[-1])
mx.eval(inputs, weight)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.linear.weight = weight

    def __call__(self, x):
        return self.linear(x)


def run_gptq(out):
    layer = Layer()
    with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet), Stopwatch() as watch:
        tuned, _ = gptq.gptq_quantize(layer, inputs, bits, group, 6, group)
        mx.eval(tuned.parameters())
    found = tuned.linear
    store(out, bits, group, *(np.array(part) for part in (found.weight, found.scales, found.biases)))
    return watch


def run_rounding(out):
    with Stopwatch() as watch:
        parts = mx.quantize(weight, group_size=group, bits=bits)
        mx.eval(*parts)
    store(out, bits, group, *(np.array(part) for part in parts))
    return watch


def run_stages(out):
    """mlx-lm's own steps one by one, as its code calls them. The time of the column loop is the rest
    of a whole turn."""
    with Stopwatch() as watch:
        with watch.stage("forward and Hessian"):
            catcher = gptq.Catcher(Layer().linear)
            mx.eval(catcher(inputs), catcher.H)
        h = catcher.H + 0.01 * mx.mean(mx.diag(catcher.H)) * mx.eye(len(catcher.H))
        mx.eval(h)
        with watch.stage("Cholesky"):
            h = mx.linalg.cholesky(h)
            mx.eval(h)
        with watch.stage("inverse"):
            h = mx.linalg.cholesky_inv(h)
            mx.eval(h)
        with watch.stage("Cholesky of the inverse"):
            mx.eval(mx.linalg.cholesky(h, upper=True))
    return watch


versions = {name: importlib.metadata.version(name) for name in ("mlx", "mlx-lm")}
serve(folder, {"mlx-lm": run_gptq, "mx.quantize": run_rounding, "mlx-lm-stages": run_stages}, {}, versions)
