"""Compares finished tier folders with stock mlx-lm.

    mlx_conformance.py TASKS.json

TASKS.json is a list of {"task", "command", "base", "tiers"}. One process does all tasks, because
the imports take longer than a task. Commands:

    load      every tier loads in stock mlx-lm; its logits equal a dequantized reference
    convert   tiers made with `--method rounded --rounding mlx` equal what mlx_lm.convert writes,
              bit for bit

Prints one JSON line per check: {"task", "check", "ok", "detail"}.
"""
import json
import pathlib
import sys
import tempfile

import mlx.core as mx
import numpy as np
from mlx_lm import convert, generate, load
from mlx_lm.utils import load_model


current = ""


def report(check, ok, detail=""):
    line = {"task": current, "check": check, "ok": bool(ok), "detail": str(detail)}
    print(json.dumps(line), flush=True)


def tensors(folder):
    """All tensors of a folder as MLX arrays, by name."""
    found = {}
    for shard in sorted(pathlib.Path(folder).glob("model*.safetensors")):
        found.update(mx.load(str(shard)))
    return found


def widths(folder):
    """Module path -> (bits, group size, mode) as config.json says, the default under None."""
    quantization = json.load(open(f"{folder}/config.json"))["quantization"]
    modules = {path: width_of(w) for path, w in quantization.items() if isinstance(w, dict)}
    return modules | {None: width_of(quantization)}


def width_of(entry):
    return entry["bits"], entry["group_size"], entry.get("mode", "affine")


# The values of E2M1 (OCP MX specification v1.0): a sign, two bits of exponent, one of mantissa.
E2M1 = np.array([sign * x for sign in (1, -1) for x in (0, 0.5, 1, 1.5, 2, 3, 4, 6)], np.float32)


def dequantize(words, scales, biases, bits, group):
    """Dequantizes in plain numpy as the format defines it. A row is one little-endian stream of
    codes. A value is code * scale + bias in float32. Of mxfp4, which has no biases, it is the
    code's value * 2^(scale - 127)."""
    rows = np.ascontiguousarray(np.array(words)).view(np.uint8)
    stream = np.unpackbits(rows, axis=-1, bitorder="little").reshape(*rows.shape[:-1], -1, bits)
    codes = (stream.astype(np.uint32) << np.arange(bits, dtype=np.uint32)).sum(-1).astype(np.float32)
    grouped = codes.reshape(*codes.shape[:-1], -1, group)
    if biases is None:
        powers = np.array(scales).astype(np.int32)[..., None] - 127
        return np.ldexp(E2M1[grouped.astype(np.uint8)], powers).reshape(codes.shape)
    s, b = (np.array(x.astype(mx.float32))[..., None] for x in (scales, biases))
    return (grouped * s + b).reshape(codes.shape)


def float_model(base, tier):
    """The model of the tier's config with the base's weights in float32."""
    config = json.load(open(f"{tier}/config.json"))
    config = {key: value for key, value in config.items() if not key.startswith("quantization")}
    model, _ = load_model(pathlib.Path(base), lazy=True, model_config=config)
    model.set_dtype(mx.float32)
    model.eval()
    return model


def put_dequantized(model, tier):
    """Replaces the weights of every quantized module by the dequantized ones. Returns the largest
    distance from the base, in steps of the module's width."""
    weights = dict(flatten(model))
    ours, table = tensors(tier), widths(tier)
    worst = 0.0
    for name in [n for n in ours if n.endswith(".scales")]:
        path = name.removesuffix(".scales")
        bits, group, mode = table.get(path, table[None])
        if (mode == "mxfp4") != (f"{path}.biases" not in ours):
            raise ValueError(f"{path}: biases do not fit the mode {mode}")
        w = dequantize(ours[f"{path}.weight"], ours[name], ours.get(f"{path}.biases"), bits, group)
        was = np.array(weights[f"{path}.weight"])
        if was.shape != w.shape:
            raise ValueError(f"{path}: {was.shape} in the base, {w.shape} in the tier")
        if mode == "mxfp4" and not np.array_equal(was, w):
            raise ValueError(f"{path}: codes of the base that do not give its values")
        worst = max(worst, float(np.linalg.norm(was - w) / np.linalg.norm(was)) * (2**bits - 1))
        weights[f"{path}.weight"] = mx.array(w)
    model.load_weights(list(weights.items()))
    return worst


def flatten(model):
    from mlx.utils import tree_flatten

    return tree_flatten(model.parameters())


def distance(ours, theirs):
    """Relative L2 of two logit arrays, in float64."""
    ours, theirs = (np.array(x).astype(np.float64) for x in (ours, theirs))
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def check_load(base, tier):
    name = pathlib.Path(tier).name
    model, tokenizer = load(tier)
    report(f"{name}: loads in stock mlx-lm with its tokenizer", tokenizer.encode("hello world"))
    model.set_dtype(mx.float32)
    expected = float_model(base, tier)
    stored = pathlib.Path(base) / "ref_logits_f32_torch.npy"
    if stored.exists():
        ids = mx.array([json.load(open(pathlib.Path(base) / "ref_ids.json"))]).reshape(1, -1)
        gap = distance(expected(ids)[0], np.load(stored))
        report(f"{name}: its config gives transformers' logits on the base's weights", gap < 5e-6, f"relative L2 {gap:.2e}")
    worst = put_dequantized(expected, tier)
    # A tensor that has a wrong name, is transposed or has its experts swapped is off by its whole
    # norm: 2^bits - 1 steps (15 and more). Tuned codes are farther from the base than rounded ones,
    # because each compensates for errors of others.
    report(f"{name}: every dequantized module is near its base tensor", worst < 5, f"worst {worst:.2f} steps of its range")
    ids = mx.array([[(7 * i * i + 3 * i + 5) % getattr(model, "language_model", model).args.vocab_size for i in range(48)]])
    gap = distance(model(ids), expected(ids))
    report(f"{name}: logits equal the dequantized reference", gap < 1e-5, f"relative L2 {gap:.2e}")
    text = generate(model, tokenizer, prompt="The quick brown fox", max_tokens=8, verbose=False)
    report(f"{name}: generates", isinstance(text, str), repr(text))


def check_convert(base, tier):
    name = pathlib.Path(tier).name
    table = widths(tier)
    ours = tensors(tier)
    quantized = {n.removesuffix(".scales") for n in ours if n.endswith(".scales")}

    def predicate(path, module, *_):
        if path not in quantized or not hasattr(module, "to_quantized"):
            return False
        bits, group, mode = table.get(path, table[None])
        return {"bits": bits, "group_size": group, "mode": mode}

    with tempfile.TemporaryDirectory() as scratch:
        convert(base, f"{scratch}/mlx", quantize=True, q_group_size=table[None][1], q_bits=table[None][0], quant_predicate=predicate)
        theirs = tensors(f"{scratch}/mlx")
        report(f"{name}: the same tensors as mlx_lm.convert", set(ours) == set(theirs), sorted(set(ours) ^ set(theirs))[:4])
        differ = [n for n in ours if n not in theirs or not same(ours[n], theirs[n])]
        report(f"{name}: bit for bit what mlx_lm.convert writes", not differ, f"{len(ours)} tensors, differing: {differ[:4]}")
        config = json.load(open(f"{scratch}/mlx/config.json"))["quantization"]
        stated = {p: width_of(w) for p, w in config.items() if isinstance(w, dict)}
        wrong = [p for p in quantized if stated.get(p, width_of(config)) != table.get(p, table[None])]
        report(f"{name}: the same widths in config.json", not wrong, wrong[:4])


def same(a, b):
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    bits = {mx.bfloat16: mx.uint16, mx.float16: mx.uint16, mx.float32: mx.uint32}.get(a.dtype, a.dtype)
    return bool(mx.array_equal(a.view(bits), b.view(bits)))


if __name__ == "__main__":
    for task in json.load(open(sys.argv[1])):
        current = task["task"]
        check = {"load": check_load, "convert": check_convert}[task["command"]]
        for tier in task["tiers"]:
            try:
                check(task["base"], tier)
            except Exception as error:  # one broken tier must not hide the others
                name = pathlib.Path(tier).name
                report(f"{name}: {task['command']}", False, f"{type(error).__name__}: {error}")
