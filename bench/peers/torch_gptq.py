"""Peers of bench/layer.ts on torch: llmcompressor's and gptqmodel's GPTQ on one linear layer,
float32, two threads.

    torch_gptq.py FOLDER BITS          (FOLDER from layer_problem.py; turns as turns.py says)

Each library computes Hessian and codes with its own routines, in asymmetric groups of 64, with
damping 0.01 (their default). Orders of columns:
  llmcompressor          static order by diag H (its default); group parameters come first, so
                         MLX's format can store the result
  llmcompressor-natural  natural order
  gptqmodel              "act_group_aware" (its default): groups by energy, columns by energy within
                         a group; MLX's format can store it
  gptqmodel-natural      natural order
  gptqmodel-act-order    "desc_act": groups of columns that are not neighbours; MLX's format cannot
                         store it, so its loss is that of the float32 values
Scales and biases are cast to bf16 after the codes, as in gptqmodel's MLX export.
"""
import importlib.metadata
import logging
import os
import sys
import warnings

os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from turns import Stopwatch, pack, serve, store, store_values  # noqa: E402

torch.set_num_threads(2)
answers = sys.stdout
sys.stdout = sys.stderr  # libraries print on stdout, which belongs to turns.py
folder, bits, group = sys.argv[1], int(sys.argv[2]), 64
steps = 2**bits - 1


class Layer:
    """A weight [rows, columns] and its inputs in eight batches."""

    def __init__(self, inputs, weight):
        self.weight, self.batches = weight, [batch[None] for batch in inputs.chunk(8)]

    def module(self):
        linear = torch.nn.Linear(*reversed(self.weight.shape), bias=False)
        linear.weight = torch.nn.Parameter(self.weight.clone(), requires_grad=False)
        return linear


whole = Layer(*(torch.from_numpy(np.load(f"{folder}/{name}.npy")) for name in "XW"))
first = Layer(torch.randn(256, 128), torch.randn(64, 128))  # untimed: the library's first call


def store_grouped(out, values, scales, zeros):
    """values = scale * (code - zero) by group -> MLX's code * scale + bias."""
    rows, columns = values.shape
    grouped = values.reshape(rows, -1, group) / scales[..., None] + zeros[..., None]
    codes = grouped.round().clamp(0, steps).reshape(rows, columns)
    store(out, bits, group, pack(codes.numpy(), bits), scales.numpy(), (-zeros * scales).numpy())


def llmcompressor(order):
    from compressed_tensors.quantization import QuantizationArgs
    from llmcompressor.modifiers.gptq.gptq_quantize import quantize_weight
    from llmcompressor.modifiers.gptq.helpers import accumulate_hessian, make_empty_hessian

    low = -(2 ** (bits - 1))
    width = QuantizationArgs(num_bits=bits, type="int", symmetric=False, strategy="group", group_size=group, actorder=order)

    def tune(layer):
        module = layer.module()
        with Stopwatch() as watch:
            with watch.stage("Hessian"):
                h, count = make_empty_hessian(module), torch.zeros(())
                for batch in layer.batches:
                    h, count = accumulate_hessian(batch, module, h, count)
            scales, zeros = minmax(layer.weight)
            weights, hessians = module.weight.clone()[None], (h / count)[None]
            found = quantize_weight(weights, hessians, scales[None], zeros[None], None, width)[0][0]
        return watch, (found, scales, zeros - low)

    def minmax(weight):
        """The observer of its examples: the range of every group, zero included."""
        grouped = weight.unflatten(1, (-1, group))
        least, most = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)
        scales = (most - least) / steps
        return scales, (low - least / scales).round().clamp(low, -low - 1)

    return taking_turns(tune, store_grouped)


def gptqmodel(storable=True, **order):
    from gptqmodel.quantization import QuantizeConfig
    from gptqmodel.quantization.gptq import GPTQ

    def tune(layer):
        module = layer.module()
        config = QuantizeConfig(bits=bits, group_size=group, sym=False, damp_percent=0.01, **order)
        with Stopwatch() as watch, torch.inference_mode():
            task = GPTQ(module, config)
            task.quantizer.configure(perchannel=True)
            with watch.stage("Hessian"):
                for batch in layer.batches:
                    task.add_batch(batch, None)
            found, scales, zeros, *_ = task.quantize(blocksize=128)
        return watch, (found, scales, zeros)

    return taking_turns(tune, store_grouped if storable else lambda out, found, *_: store_values(out, found.numpy()))


def taking_turns(tune, keep):
    """`tune(layer)` gives a Stopwatch and a result that `keep` stores."""
    tune(first)

    def turn(out):
        watch, result = tune(whole)
        keep(out, *result)
        return watch

    return turn


def available(makers):
    """The methods whose library can be imported, and the reasons for the others."""
    methods, missing = {}, {}
    for name, make in makers.items():
        try:
            methods[name] = make()
        except Exception as error:  # a library can raise anything while it is imported
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
