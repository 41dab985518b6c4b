"""A peer for whole models: mlx_lm.quant.dynamic_quant on a base, saved as mlx-lm saves it.

    mlx_dynamic_model.py BASE IDS.json OUT [--bpw 4.7] [--low 4] [--high 5] [--group 64] [--rows N]

IDS.json as in mlx_gptq_model.py. Sensitivities in float32 on the CPU, by gradients of the KL to the
base; then weights in the base's dtype are rounded. Prints one JSON line: plan, bits per weight,
seconds.
"""
import argparse
import contextlib
import json
import os
import pathlib
import time

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.quant.dynamic_quant import estimate_sensitivities, estimate_threshold
from mlx_lm.utils import compute_bits_per_weight, load, quantize_model, save
from rows import read_rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("ids")
    parser.add_argument("out")
    parser.add_argument("--bpw", type=float, default=4.7)
    parser.add_argument("--low", type=int, default=4)
    parser.add_argument("--high", type=int, default=5)
    parser.add_argument("--group", type=int, default=64)
    parser.add_argument("--rows", type=int, help="about this many rows, evenly spaced; default: all")
    options = parser.parse_args()
    mx.set_default_device(mx.cpu)
    widths = (options.low, options.group, options.high, options.group)

    model, _ = load(options.base)
    model.set_dtype(mx.float32)
    ids, _ = read_rows(options.ids)
    ids = ids[:: max(1, len(ids) // (options.rows or len(ids)))]
    started = time.perf_counter()
    with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):
        sensitivities = dict(estimate_sensitivities(model, mx.array(ids), *widths))
    seconds = time.perf_counter() - started

    model, tokenizer, config = load(options.base, return_config=True)
    threshold = estimate_threshold(model, sensitivities, options.bpw, *widths)

    def width_of(path, module):
        if not hasattr(module, "to_quantized"):
            return False
        return {"bits": options.high, "group_size": options.group} if sensitivities[path] > threshold else True

    model, config = quantize_model(model, config, options.group, options.low, quant_predicate=width_of)
    raised = [name for name, width in config["quantization"].items() if isinstance(width, dict)]
    summary = {
        "raised": raised,
        "bitsPerWeight": compute_bits_per_weight(model),
        "bytes": sum(value.nbytes for _, value in tree_flatten(model.parameters())),
        "seconds": round(seconds, 1),
    }
    pathlib.Path(options.out).mkdir(parents=True, exist_ok=True)
    save(pathlib.Path(options.out), options.base, model, tokenizer, config)  # empties the model
    print(json.dumps(summary))


main()
