"""Writes test/golden/decode.safetensors: codes and scales of narrow float formats, and what they
decode to. Values follow the formulas of the formats in float64 (OCP FP8 and MX specifications).

    python test/python/decode_golden.py test/golden/decode.safetensors

Needs numpy. The product code * scale is rounded to float32 once; BF16 is then rounded to nearest,
half to even. NaN is 0x7fc00000, as BF16 0x7fc0.
"""

import json
import struct
import sys

import numpy as np


def values_of(codes, exponent_bits, mantissa_bits):
    """Values of codes by sign, exponent and mantissa, as if no code were special."""
    codes = codes.astype(np.int64)
    sign = np.where(codes >> (exponent_bits + mantissa_bits) & 1, -1.0, 1.0)
    exponent = codes >> mantissa_bits & (1 << exponent_bits) - 1
    fraction = (codes & (1 << mantissa_bits) - 1) / 2.0**mantissa_bits
    bias = 2 ** (exponent_bits - 1) - 1
    normal = (1 + fraction) * 2.0 ** (exponent - bias)
    return sign * np.where(exponent == 0, fraction * 2.0 ** (1 - bias), normal)


def e4m3(codes):
    return np.where(codes & 0x7F == 0x7F, np.nan, values_of(codes, 4, 3))


def e5m2(codes):
    values = values_of(codes, 5, 2)
    special = np.where(codes & 3 == 0, np.copysign(np.inf, values), np.nan)
    return np.where(codes & 0x7C == 0x7C, special, values)


def e2m1(codes):
    pairs = np.stack([codes & 15, codes >> 4], axis=-1)  # low nibble first
    return values_of(pairs.reshape(codes.shape[0], -1), 2, 1)


def e8m0(codes):
    return np.where(codes == 255, np.nan, 2.0 ** (codes.astype(np.float64) - 127))


def bf16_bits(values):
    """float32 to BF16 bits, to nearest, half to even."""
    bits = values.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)


def scales_in(dtype, values):
    """Scales as stored, and their values."""
    if dtype == "F8_E8M0":
        codes = np.asarray(values, np.uint8)
        return codes, e8m0(codes)
    values = np.asarray(values, np.float32)
    if dtype == "F32":
        return values, values.astype(np.float64)
    if dtype == "F16":
        halves = values.astype(np.float16)
        return halves, halves.astype(np.float64)
    bits = bf16_bits(values)
    return bits, (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def decode(values, scales, block_rows, block_columns):
    rows, columns = values.shape
    grid = np.repeat(np.repeat(scales, block_rows, 0)[:rows], block_columns, 1)[:, :columns]
    # Both factors have few digits, so that the product is exact in float64 and rounded once here.
    with np.errstate(all="ignore"):
        product = (values * grid).astype(np.float32)
    return np.where(np.isnan(product), np.float32(np.nan), product)


FORMATS = {"e4m3": e4m3, "e5m2": e5m2, "e2m1": e2m1}


def cases():
    random = np.random.default_rng(7)
    every_code = np.arange(256, dtype=np.uint8).reshape(8, 32)

    def codes(rows, row_bytes):
        return random.integers(0, 256, (rows, row_bytes), dtype=np.uint8)

    def spread(*shape):
        return random.normal(size=shape) * 2.0 ** random.integers(-20, 12, shape)

    extreme = [[1e-45, 1e-38, 3e38, -1.5, 0.0, np.inf, np.nan, 2.0**-130]]
    yield "e4m3-one-scale", "e4m3", every_code, "F32", [[0.0123]], (8, 32)
    yield "e5m2-one-scale", "e5m2", every_code, "BF16", [[1.7]], (8, 32)
    yield "e4m3-extreme-scales", "e4m3", every_code, "F32", extreme * 8, (1, 4)
    yield "e5m2-extreme-scales", "e5m2", every_code, "F32", extreme * 8, (1, 4)
    yield "e4m3-row-scales", "e4m3", codes(65, 3), "F32", spread(65, 1), (1, 3)
    yield "e4m3-row-scales-bf16", "e4m3", codes(3, 65), "BF16", spread(3, 1), (1, 65)
    yield "e5m2-row-scales-f16", "e5m2", codes(3, 64), "F16", random.normal(size=(3, 1)), (1, 64)
    yield "e4m3-blocks", "e4m3", codes(131, 129), "F32", spread(2, 2), (128, 128)
    yield "e4m3-blocks-bf16", "e4m3", codes(9, 127), "BF16", spread(3, 4), (4, 32)
    powers = random.integers(100, 140, (2, 2))
    yield "e4m3-blocks-e8m0", "e4m3", codes(17, 19), "F8_E8M0", powers, (16, 16)
    yield "e5m2-blocks-e8m0", "e5m2", codes(4, 64), "F8_E8M0", [[0, 1], [254, 255]], (2, 32)
    pairs = every_code.reshape(16, 16)  # every pair of nibbles, each row one block of 32
    exponents = [[0], [1], [2], [100], [120], [125], [126], [127]]
    exponents += [[128], [129], [130], [150], [252], [253], [254], [255]]
    yield "mxfp4-every-pair", "e2m1", pairs, "F8_E8M0", exponents, (1, 32)
    yield "mxfp4", "e2m1", codes(63, 48), "F8_E8M0", random.integers(110, 130, (63, 3)), (1, 32)


def main(path):
    tensors, described = {}, []
    for name, form, codes, scale_dtype, scale_values, (block_rows, block_columns) in cases():
        scales, factors = scales_in(scale_dtype, scale_values)
        expected = decode(FORMATS[form](codes), factors, block_rows, block_columns)
        tensors[f"{name}.codes"] = ("U8", codes)
        tensors[f"{name}.scales"] = (scale_dtype, scales)
        tensors[f"{name}.F32"] = ("F32", expected)
        tensors[f"{name}.BF16"] = ("BF16", bf16_bits(expected))
        shape = dict(zip(("rows", "columns"), expected.shape))
        blocks = {"blockRows": block_rows, "blockColumns": block_columns}
        described.append({"name": name, "format": form, "scaleDtype": scale_dtype, **shape, **blocks})
    header, data = {"__metadata__": {"cases": json.dumps(described)}}, b""
    for name, (dtype, array) in tensors.items():
        content = np.ascontiguousarray(array).tobytes()
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


main(sys.argv[1])
