"""Peers of bench/layer.ts on torch: llmcompressor's and gptqmodel's GPTQ on one linear layer, float32, two threads.

    torch_gptq.py FOLDER BITS          (FOLDER from layer_problem.py; turns as turns.py says)

Hessian to codes, each by its own routines, asymmetric groups of 64, damping 0.01 (their default). Orders of columns:
  llmcompressor         static order by diag H (its default): group parameters first, so MLX's format can hold the result
  llmcompressor-natural natural order
  gptqmodel             "act_group_aware" (its default): groups by energy, columns by energy within a group; storable
  gptqmodel-natural     natural order
  gptqmodel-act-order   "desc_act": groups of columns that are not neighbours; MLX's format cannot hold it, judged in float32
Scales and biases are cast to bf16 after the codes, as gptqmodel's MLX export does.
"""
import importlib.metadata
import logging
import os
import sys
import time
import warnings

os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from turns import pack, serve, store, store_values  # noqa: E402

torch.set_num_threads(2)
answers = sys.stdout
sys.stdout = sys.stderr  # libraries greet on stdout; only turns.py may speak there
folder, bits, group = sys.argv[1], int(sys.argv[2]), 64
inputs = torch.from_numpy(np.load(f"{folder}/X.npy"))
weight = torch.from_numpy(np.load(f"{folder}/W.npy"))
rows, columns = weight.shape
batches = [batch[None] for batch in inputs.chunk(8)]
steps = 2**bits - 1


def store_grouped(out, values, scales, zeros):
    """values = scale * (code - zero) by group -> MLX's code * scale + bias."""
    grouped = values.reshape(rows, -1, group) / scales[..., None] + zeros[..., None]
    codes = grouped.round().clamp(0, steps).reshape(rows, columns)
    store(out, bits, group, pack(codes.numpy(), bits), scales.numpy(), (-zeros * scales).numpy())


def llmcompressor(order):
    from compressed_tensors.quantization import QuantizationArgs
    from llmcompressor.modifiers.gptq.gptq_quantize import quantize_weight
    from llmcompressor.modifiers.gptq.helpers import accumulate_hessian, make_empty_hessian

    low = -(2 ** (bits - 1))
    width = QuantizationArgs(num_bits=bits, type="int", symmetric=False, strategy="group", group_size=group, actorder=order)

    def turn(out):
        layer = torch.nn.Linear(columns, rows, bias=False)
        layer.weight = torch.nn.Parameter(weight.clone(), requires_grad=False)
        started = time.perf_counter()
        h, count = make_empty_hessian(layer), torch.zeros(())
        for batch in batches:
            h, count = accumulate_hessian(batch, layer, h, count)
        hessian_at = time.perf_counter()
        # The minmax observer of its examples: the range of every group, zero included.
        grouped = weight.reshape(rows, -1, group)
        least, most = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)
        scales = (most - least) / steps
        zeros = (low - least / scales).round().clamp(low, -low - 1)
        found = quantize_weight(layer.weight.clone()[None], (h / count)[None], scales[None], zeros[None], None, width)[0][0]
        seconds = time.perf_counter() - started
        store_grouped(out, found, scales, zeros - low)
        return seconds, {"Hessian": hessian_at - started}

    return turn


def gptqmodel(storable=True, **order):
    from gptqmodel.quantization import QuantizeConfig
    from gptqmodel.quantization.gptq import GPTQ

    def turn(out):
        layer = torch.nn.Linear(columns, rows, bias=False)
        layer.weight = torch.nn.Parameter(weight.clone(), requires_grad=False)
        config = QuantizeConfig(bits=bits, group_size=group, sym=False, damp_percent=0.01, **order)
        started = time.perf_counter()
        task = GPTQ(layer, config)
        task.quantizer.configure(perchannel=True)
        with torch.inference_mode():
            for batch in batches:
                task.add_batch(batch, None)
            hessian_at = time.perf_counter()
            found, scales, zeros, *_ = task.quantize(blocksize=128)
        seconds = time.perf_counter() - started
        if storable:
            store_grouped(out, found, scales, zeros)
        else:
            store_values(out, found.numpy())
        return seconds, {"Hessian": hessian_at - started}

    return turn


def available(makers):
    """Those whose library is installed and imports, and for the others why not."""
    methods, missing = {}, {}
    for name, make in makers.items():
        try:
            methods[name] = make()
        except Exception as error:  # whatever a library raises while it is imported
            missing[name] = f"{type(error).__name__}: {str(error)[:200]}"
    return methods, missing


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


methods, missing = available(
    {
        "llmcompressor": lambda: llmcompressor("weight"),
        "llmcompressor-natural": lambda: llmcompressor(None),
        "gptqmodel": lambda: gptqmodel(desc_act=False, act_group_aware=True),
        "gptqmodel-natural": lambda: gptqmodel(desc_act=False, act_group_aware=False),
        "gptqmodel-act-order": lambda: gptqmodel(storable=False, desc_act=True, act_group_aware=False),
    }
)
versions = {name: version(name) for name in ("torch", "llmcompressor", "gptqmodel")}
serve(folder, methods, missing, versions, answers)
