"""Makes test/golden/seam.safetensors: base tensors, and what numpy makes of them.

Run: python test/python/seam_goldens.py  (needs numpy alone)
Tensors `<case>/base…` are as a checkpoint stores them; `<case>/<output>` is the expected MLX tensor.
"""
import json
import struct
from pathlib import Path

import numpy as np

random = np.random.default_rng(10)
tensors: dict[str, tuple[str, np.ndarray]] = {}


def put(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    tensors[name] = (dtype, np.ascontiguousarray(array))
    return array


def bf16(*shape: int) -> np.ndarray:
    """Bits of finite BF16 values."""
    values = random.normal(size=shape).astype(np.float32)
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def layouts() -> None:
    stack = put("stack/base", bf16(3, 8, 6), "BF16")
    put("stack/slices", stack, "BF16")
    put("stack/first", stack[:, :4], "BF16")
    put("stack/second", stack[:, 4:], "BF16")
    put("stack/even", stack[:, 0::2], "BF16")
    put("stack/odd", stack[:, 1::2], "BF16")
    put("stack/transposed", stack.swapaxes(1, 2), "BF16")
    put("stack/transposed-even", stack.swapaxes(1, 2)[:, 0::2], "BF16")
    put("stack/even-transposed", stack[:, 0::2].swapaxes(1, 2), "BF16")

    matrix = put("matrix/base", random.normal(size=(10, 7)).astype(np.float32), "F32")
    put("matrix/even", matrix[0::2], "F32")
    put("matrix/transposed", matrix.T, "F32")
    put("matrix/middle", matrix[3:7], "F32")
    heads = matrix.reshape(2, 5, 7)
    put("matrix/heads-first", heads[:, :3].swapaxes(1, 2), "F32")
    put("matrix/heads-last", heads[:, 3:], "F32")

    biases = put("biases/base", bf16(3, 8), "BF16")
    put("biases/even", biases[:, 0::2], "BF16")
    put("biases/second", biases[:, 4:], "BF16")

    conv = put("conv/base", bf16(5, 2, 4), "BF16")
    put("conv/moved", np.moveaxis(conv, 1, 2), "BF16")


def plus_one() -> None:
    bits = np.concatenate([bf16(40), np.array([0, 0x8000, 0x0001, 0xBF80, 0x3B80], np.uint16)])
    put("bf16/base", bits, "BF16")
    values = (bits.astype(np.uint32) << 16).view(np.float32)
    put("bf16/plus", values + np.float32(1), "F32")
    halves = np.concatenate([random.normal(size=40), [0, -0.0, 6e-8, -1, 1 / 2048]])
    halves = put("f16/base", halves.astype(np.float16), "F16")
    put("f16/plus", halves.astype(np.float32) + np.float32(1), "F32")
    floats = np.concatenate([random.normal(size=40), [1e-9, -1, 2**-24, 3 * 2**-24, 1e30]])
    floats = put("f32/base", floats.astype(np.float32), "F32")
    put("f32/plus", floats + np.float32(1), "F32")


def save(path: Path) -> None:
    header, parts, end = {}, [], 0
    for name, (dtype, array) in tensors.items():
        data = array.tobytes()
        offsets = [end, end + len(data)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        parts.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


layouts()
plus_one()
save(Path(__file__).parent.parent / "golden" / "seam.safetensors")
