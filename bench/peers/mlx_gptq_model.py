"""A peer for whole models: mlx_lm.quant.gptq.gptq_quantize on a base, saved as mlx-lm saves it.

    mlx_gptq_model.py BASE IDS.json OUT [--bits 4] [--group 64] [--fallback-bits 6]

IDS.json: calibration rows of one length, `[[...], ...]` or `{"rows": [{"ids": [...]}, ...]}`. Runs
in float32 on the CPU (MLX cannot run an unquantized bf16 mixture of experts there), then stores
every tensor in the dtype of the base, scales and biases in bf16, as mlx-lm does. It has its
own plan: one width for every linear layer and expert stack (2, 4 or 8 bits), the fallback for all
other modules. Prints one JSON line: plan, bytes, seconds.
"""
import argparse
import contextlib
import json
import os
import pathlib
import time

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.quant.gptq import gptq_quantize
from mlx_lm.utils import compute_bits_per_weight, load, save
from rows import read_rows


def stored_dtypes(model, base_dtypes):
    """Back to the base's dtypes; scales and biases, which it does not have, in bf16."""
    named = tree_flatten(model.parameters())
    cast = [
        (name, value.astype(base_dtypes.get(name, mx.bfloat16)) if mx.issubdtype(value.dtype, mx.floating) else value)
        for name, value in named
    ]
    model.update(tree_unflatten(cast))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("ids")
    parser.add_argument("out")
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--group", type=int, default=64)
    parser.add_argument("--fallback-bits", type=int, default=6)
    options = parser.parse_args()
    mx.set_default_device(mx.cpu)

    model, tokenizer, config = load(options.base, return_config=True)
    base_dtypes = {name: value.dtype for name, value in tree_flatten(model.parameters())}
    model.set_dtype(mx.float32)
    ids, _ = read_rows(options.ids)
    started = time.perf_counter()
    with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):
        model, config["quantization"] = gptq_quantize(
            model, mx.array(ids), options.bits, options.group, options.fallback_bits, options.group
        )
    mx.eval(model.parameters())
    seconds = time.perf_counter() - started
    stored_dtypes(model, base_dtypes)

    plan = {name: width for name, width in config["quantization"].items() if isinstance(width, dict)}
    summary = {
        "repo": options.out,
        "rows": len(ids),
        "length": ids.shape[1],
        "bits": options.bits,
        "overrides": {name: width["bits"] for name, width in plan.items()},
        "quantized": sum(name.endswith(".scales") for name, _ in tree_flatten(model.parameters())),
        "bitsPerWeight": compute_bits_per_weight(model),
        "bytes": sum(value.nbytes for _, value in tree_flatten(model.parameters())),
        "seconds": round(seconds, 1),
    }
    save(pathlib.Path(options.out), options.base, model, tokenizer, config)  # empties the model
    print(json.dumps(summary))


main()
