"""Makes test/golden/coded.safetensors: weights as makers publish them, and what transformers and
compressed-tensors decode them to.

Run: ~/fixtures/bin/pip install compressed-tensors==0.20.1 loguru psutil
     ~/fixtures/bin/python test/python/coded_golden.py  (beside fixtures.txt)
Tensors `<case>/<name>` are as a checkpoint stores them, `<case>=` is what they decode to. The
metadata has the settings of each case's config.
"""
import json
from pathlib import Path

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import save_file
from transformers.integrations.finegrained_fp8 import Fp8Dequantize
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

torch.manual_seed(15)
tensors: dict[str, torch.Tensor] = {}
settings: dict[str, dict] = {}


def put(case: str, config: dict, stored: dict[str, torch.Tensor], values: torch.Tensor) -> None:
    assert values.isfinite().all(), case
    settings[case] = config
    for name, tensor in stored.items():
        tensors[f"{case}/{name}"] = tensor.contiguous().clone()
    tensors[f"{case}="] = values.contiguous().clone()


def codes(*shape: int) -> torch.Tensor:
    """Every code of F8_E4M3 but NaN, in no order."""
    count = torch.Size(shape).numel()
    finite = [code for code in range(256) if code & 127 != 127]
    repeated = torch.tensor(finite, dtype=torch.uint8).repeat(count // len(finite) + 1)[:count]
    return repeated[torch.randperm(count)].reshape(shape).view(torch.float8_e4m3fn)


def scales(*shape: int) -> torch.Tensor:
    return torch.rand(shape) * 0.01 + 1e-4


def codes_e5m2(*shape: int) -> torch.Tensor:
    """Every finite code of F8_E5M2, in no order."""
    count = torch.Size(shape).numel()
    finite = torch.tensor([code for code in range(256) if code & 127 < 124], dtype=torch.uint8)
    repeated = finite.repeat(count // len(finite) + 1)[:count]
    return repeated[torch.randperm(count)].reshape(shape).view(torch.float8_e5m2)


def fine_grained() -> None:
    """transformers' fp8 and mxfp8."""
    decode = Fp8Dequantize(None)._dequantize_one
    powers = torch.randint(110, 125, (24, 3), dtype=torch.uint8)
    blocks = {"quant_method": "fp8", "weight_block_size": [12, 32]}
    whole = {"quant_method": "fp8", "weight_block_size": None}
    micro = {"quant_method": "mxfp8", "weight_block_size": [1, 32], "scale_fmt": "ue8m0"}
    cases = [
        ("blocks", blocks, codes(24, 64), scales(2, 2), torch.float32),
        ("blocks-bf16", blocks, codes(24, 64), scales(2, 2).bfloat16(), torch.bfloat16),
        ("blocks-e8m0", blocks, codes(24, 64), powers[:2, :2].clone().view(torch.float8_e8m0fnu), torch.bfloat16),
        ("tensor", whole, codes(24, 40), scales()[()], torch.bfloat16),
        ("rows", whole, codes(24, 40), scales(24, 1), torch.bfloat16),
        ("stack-blocks", blocks, codes(2, 12, 64), scales(2, 1, 2), torch.bfloat16),
        ("stack-tensors", whole, codes(2, 12, 32), scales(2, 1, 1), torch.bfloat16),
        ("mxfp8", micro, codes(24, 64), powers[:, :2], torch.bfloat16),
        ("blocks-f16", blocks, codes(24, 64), scales(2, 2).half(), torch.float32),
        ("blocks-e5m2", blocks, codes_e5m2(24, 64), scales(2, 2), torch.float32),
        ("tensor-of-one", whole, codes(24, 40), scales(1), torch.float32),
        ("rows-of-one-axis", whole, codes(24, 40), scales(24), torch.float32),
        ("stack-of-one-axis", whole, codes(2, 12, 32), scales(2), torch.float32),
        ("stack-rows", whole, codes(2, 12, 32), scales(2, 12, 1), torch.float32),
        # The largest and smallest powers that give finite values, and subnormal ones.
        ("mxfp8-extremes", micro, codes(24, 64), torch.tensor([[0, 1], [9, 245]] * 12, dtype=torch.uint8), torch.float32),
    ]
    for case, config, weight, scale, dtype in cases:
        stored = {"w.weight": weight, "w.weight_scale_inv": scale}
        # transformers reads scales without axes of one as those of a tensor.
        grid = scale if scale.dim() != 1 else scale.reshape(*weight.shape[:-2], -1, 1)
        put(case, config, stored, decode(weight, grid, dtype))


def compressed() -> None:
    def case(name: str, form: str, args: dict, scale: torch.Tensor, zeros=None) -> None:
        weights = QuantizationArgs(**args)
        scheme = QuantizationScheme(targets=["Linear"], weights=weights, format=form)
        compressor = BaseCompressor.get_value_from_registry(form)
        spread = scale.float().repeat_interleave(24 // scale.shape[0], 0)
        spread = spread.repeat_interleave(64 // spread.shape[1], 1)
        weight = torch.randn(24, 64) * spread * (3 if weights.num_bits == 4 else 60)
        state = {"weight": weight.to(scale.dtype), "weight_scale": scale}
        if zeros is not None:
            state["weight_zero_point"] = zeros
        stored = compressor.compress(state, scheme)
        values = compressor.decompress(dict(stored), scheme)["weight"]
        group = {"targets": ["Linear"], "weights": json.loads(weights.model_dump_json())}
        config = {"quant_method": "compressed-tensors", "format": form, "config_groups": {"group_0": group}}
        put(name, config, {f"w.{part}": tensor for part, tensor in stored.items()}, values)

    def zeros(*shape: int) -> torch.Tensor:
        return torch.randint(-8, 8, shape, dtype=torch.int8)

    floats, ints = {"num_bits": 8, "type": "float"}, {"num_bits": 4, "type": "int"}
    asymmetric = ints | {"symmetric": False}
    case("ct-tensor", "float-quantized", floats | {"strategy": "tensor"}, scales(1, 1).bfloat16())
    case("ct-rows", "float-quantized", floats | {"strategy": "channel"}, scales(24, 1).bfloat16())
    block = floats | {"strategy": "block", "block_structure": [16, 32]}
    case("ct-blocks", "float-quantized", block, scales(2, 2).bfloat16())
    grouped = {"strategy": "group", "group_size": 16}
    case("int4", "pack-quantized", ints | grouped, scales(24, 4).bfloat16())
    case("int4-f32", "pack-quantized", ints | grouped, scales(24, 4))
    case("int4-f16", "pack-quantized", ints | grouped, scales(24, 4).half())
    case("int4-rows", "pack-quantized", ints | {"strategy": "channel"}, scales(24, 1).bfloat16())
    case("int4-zeros", "pack-quantized", asymmetric | grouped, scales(24, 4).bfloat16(), zeros(24, 4))
    rows = asymmetric | {"strategy": "channel"}
    case("int4-rows-zeros", "pack-quantized", rows, scales(24, 1).bfloat16(), zeros(24, 1))
    edges = floats | {"strategy": "block", "block_structure": [16, 48]}
    case("ct-edges", "float-quantized", edges, scales(2, 2).bfloat16())
    case("ct-groups", "float-quantized", floats | grouped, scales(24, 4).bfloat16())
    case("ct-f32", "float-quantized", floats | {"strategy": "channel"}, scales(24, 1))
    case("ct-naive", "naive-quantized", floats | {"strategy": "tensor"}, scales(1, 1).bfloat16())
    micro = {"strategy": "group", "group_size": 32}
    powers = 2.0 ** torch.randint(-12, -4, (24, 2))
    case("ct-mxfp8", "mxfp8-quantized", floats | micro | {"scale_dtype": torch.uint8}, powers.bfloat16())
    fp4 = {"num_bits": 4, "type": "float"} | micro | {"scale_dtype": torch.uint8}
    case("ct-mxfp4", "mxfp4-pack-quantized", fp4, powers.bfloat16())


def model_opt() -> None:
    """NVIDIA's ModelOpt multiplies in float32 (QTensor.dequantize): a product, rounded once."""

    def case(name: str, algorithm: str, scale: torch.Tensor, block: tuple[int, int], **fields) -> None:
        weight = codes(24, 64)
        grid = scale.reshape(24 // block[0], 64 // block[1])
        power = (grid.float() - 127).exp2() if grid.dtype == torch.uint8 else grid
        spread = power.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
        config = {"quant_method": "modelopt", "quant_algo": algorithm} | fields
        put(name, config, {"w.weight": weight, "w.weight_scale": scale}, weight.float() * spread)

    case("mo-tensor", "FP8", scales()[()], (24, 64))
    case("mo-rows", "FP8_PER_CHANNEL_PER_TOKEN", scales(24), (1, 64))
    case("mo-blocks", "FP8_PB_WO", scales(3, 1, 8, 1), (8, 8), group_size=8)
    case("mo-mxfp8", "MXFP8", torch.randint(110, 125, (24, 2), dtype=torch.uint8), (1, 32))


def mxfp4() -> None:
    blocks = torch.randint(0, 256, (2, 12, 2, 16), dtype=torch.uint8)
    powers = torch.randint(110, 130, (2, 12, 2), dtype=torch.uint8)
    # The parameter of transformers is [experts, in, out]; the checkpoint has rows of outputs.
    values = convert_moe_packed_tensors(blocks, powers).transpose(1, 2)
    put("mxfp4", {"quant_method": "mxfp4"}, {"w_blocks": blocks, "w_scales": powers}, values)
    extremes = torch.tensor([1, 254] * 24, dtype=torch.uint8).reshape(2, 12, 2)
    blocks = blocks & 0xBB  # 6 times the largest power is infinite
    values = convert_moe_packed_tensors(blocks, extremes).transpose(1, 2)
    put("mxfp4-extremes", {"quant_method": "mxfp4"}, {"w_blocks": blocks, "w_scales": extremes}, values)


fine_grained()
compressed()
model_opt()
mxfp4()
path = Path(__file__).parent.parent / "golden" / "coded.safetensors"
save_file(tensors, path, {"settings": json.dumps(settings)})
print(path, path.stat().st_size)
