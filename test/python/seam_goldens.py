"""Makes test/golden/seam.safetensors: base tensors, and what numpy makes of them.

Run: python test/python/seam_goldens.py  (needs numpy alone)
Tensors `<case>/base…` are as a checkpoint stores them; `<case>/<output>` is the expected MLX
tensor.
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


def e4m3(codes: np.ndarray) -> np.ndarray:
    """Values of F8_E4M3 (arXiv 2209.05433, table 1): bias 7, no infinities."""
    sign = np.where(codes >> 7, -1.0, 1.0)
    exponent, fraction = (codes >> 3 & 15).astype(int), (codes & 7) / 8
    values = np.where(exponent, (1 + fraction) * 2.0 ** (exponent - 7), fraction * 2.0**-6)
    return (sign * values).astype(np.float32)


def e5m2(codes: np.ndarray) -> np.ndarray:
    """Values of F8_E5M2: the upper byte of a float16."""
    return (codes.astype(np.uint16) << 8).view(np.float16).astype(np.float32)


def e8m0(codes: np.ndarray) -> np.ndarray:
    """Powers of two, bias 127 (OCP MX specification 1.0, section 5.4.1)."""
    return np.ldexp(np.float32(1), codes.astype(int) - 127).astype(np.float32)


def finite_codes(*shape: int, largest: int) -> np.ndarray:
    magnitude = random.integers(0, largest + 1, size=shape)
    return (magnitude + 128 * random.integers(0, 2, size=shape)).astype(np.uint8)


def spread(scales: np.ndarray, block: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """The scale of every value."""
    rows = np.repeat(scales, block[0], axis=-2)[..., : shape[-2], :]
    return np.repeat(rows, block[1], axis=-1)[..., : shape[-1]]


def fp8() -> None:
    shape, block = (3, 10, 12), (4, 5)
    codes = put("fp8/base", finite_codes(*shape, largest=126), "F8_E4M3")
    scales = random.uniform(0.001, 0.1, size=(3, 3, 3)).astype(np.float32)
    put("fp8/base_scale_inv", scales, "F32")
    values = e4m3(codes) * spread(scales, block, shape)
    put("fp8/slices", values, "F32")
    put("fp8/odd", values[:, 1::2], "F32")
    put("fp8/transposed-first", values.swapaxes(1, 2)[:, :6], "F32")
    put("fp8/plus", values + np.float32(1), "F32")

    put("ue8m0/base", codes[0], "F8_E4M3")
    powers = put("ue8m0/base_scale_inv", random.integers(118, 130, (3, 3)).astype(np.uint8), "F8_E8M0")
    put("ue8m0/values", e4m3(codes[0]) * spread(e8m0(powers), block, shape), "F32")

    put("fp8-rows/base", codes[1], "F8_E4M3")
    bits = bf16(10, 1)
    put("fp8-rows/base_scale_inv", bits, "BF16")
    rows = (bits.astype(np.uint32) << 16).view(np.float32)
    put("fp8-rows/values", e4m3(codes[1]) * rows, "F32")

    codes = put("fp8-tensor/base", finite_codes(10, 12, largest=0x7B), "F8_E5M2")
    scale = put("fp8-tensor/base_scale_inv", np.array(0.0371, np.float32), "F32")
    put("fp8-tensor/values", e5m2(codes) * scale, "F32")
    put("fp8-tensor/even", (e5m2(codes) * scale)[0::2], "F32")


def mxfp4() -> None:
    blocks = put("mxfp4/base_blocks", finite_codes(2, 6, 2, 16, largest=127), "U8")
    scales = put("mxfp4/base_scales", random.integers(110, 135, (2, 6, 2)).astype(np.uint8), "U8")
    table = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    table = np.concatenate([table, -table])
    pairs = np.stack([table[blocks & 15], table[blocks >> 4]], axis=-1)
    values = pairs.reshape(2, 6, 64) * np.repeat(e8m0(scales), 32, axis=-1)
    put("mxfp4/slices", values, "F32")
    put("mxfp4/even", values[:, 0::2], "F32")
    put("mxfp4/transposed", values.swapaxes(1, 2), "F32")


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
fp8()
mxfp4()
save(Path(__file__).parent.parent / "golden" / "seam.safetensors")
