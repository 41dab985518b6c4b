"""The protocol between bench/layer.ts and a peer. The peer lists its methods. Then it reads one
method per line and runs it, until its input ends.

First line out: {"methods": [...], "missing": {method: reason}, "versions": {...}}. Each line in is
a method's name; each line out {"seconds": ..., "cpu": ..., "stages": {...}}: wall, CPU time of all
threads, wall of some parts. The result of a turn is in FOLDER/<method>/: `width.json` with bits and
group size beside `words.npy`, `scales.npy`, `biases.npy` as an MLX repository stores them (bf16 as
its 16 bits), or else `values.npy` in float32 where MLX's format cannot hold it.
"""
import contextlib
import json
import pathlib
import sys
import time

import numpy as np
from layer_problem import bf16


class Stopwatch:
    """Wall and CPU seconds of a turn: `with stopwatch: ...`, and within it `with
    stopwatch.stage("Hessian"): ...`."""

    def __init__(self):
        self.stages = {}

    def __enter__(self):
        self.started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        wall, cpu = self.started
        self.seconds, self.cpu = time.perf_counter() - wall, time.process_time() - cpu

    @contextlib.contextmanager
    def stage(self, name):
        started = time.perf_counter()
        yield
        self.stages[name] = time.perf_counter() - started


def pack(codes, bits):
    """Codes [rows, columns] -> U32 words [rows, columns * bits / 32]: one little-endian stream of
    bits a row."""
    stream = (codes.astype(np.uint8)[..., None] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(stream.reshape(len(codes), -1), axis=-1, bitorder="little").view("<u4")


def as_bits(values):
    """float32 -> bf16, as its 16 bits."""
    return (bf16(values).view(np.uint32) >> 16).astype(np.uint16)


def store(folder, bits, group, words, scales, biases):
    folder.mkdir(exist_ok=True)
    (folder / "width.json").write_text(json.dumps({"bits": bits, "group_size": group}))
    for name, array in {"words": words, "scales": as_bits(scales), "biases": as_bits(biases)}.items():
        np.save(folder / f"{name}.npy", array)


def store_values(folder, values):
    folder.mkdir(exist_ok=True)
    np.save(folder / "values.npy", values.astype(np.float32))


def serve(folder, methods, missing, versions, answers=sys.stdout):
    """`methods`: name -> a function that takes the folder for its results and gives a Stopwatch."""
    print(json.dumps({"methods": list(methods), "missing": missing, "versions": versions}), file=answers, flush=True)
    for line in sys.stdin:
        name = line.strip()
        watch = methods[name](pathlib.Path(folder) / name)
        print(json.dumps({"seconds": watch.seconds, "cpu": watch.cpu, "stages": watch.stages}), file=answers, flush=True)
