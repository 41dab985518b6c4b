"""The peer of bench/kernel.ts: times mx.quantize on the CPU.

usage: mlx_quantize.py FILE ROWS COLUMNS     (FILE: bf16, row-major)
Reads a line `bits repeats` at a time; answers each with JSON: wall and CPU seconds of all repeats,
and the SHA-256 of the packed codes, scales and biases of the last.
"""
import hashlib
import json
import sys
import time

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)
file, rows, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
weights = mx.array(np.fromfile(file, np.uint16).reshape(rows, columns)).view(mx.bfloat16)
mx.eval(weights)

for line in sys.stdin:
    bits, repeats = map(int, line.split())
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        parts = mx.quantize(weights, group_size=64, bits=bits)
        mx.eval(*parts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.array(part if part.dtype == mx.uint32 else part.view(mx.uint16)).tobytes())
    print(json.dumps({"wall": wall, "cpu": cpu, "sha256": digest.hexdigest()}), flush=True)
