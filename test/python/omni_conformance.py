"""Compares a tier of Nemotron Omni for mlx-vlm with stock mlx-vlm, mlx-lm and transformers.

    omni_conformance.py BASE TIER SEEN HEARD [FEWER ...]

BASE is read by mlx-vlm itself. SEEN and HEARD are what transformers' towers make of a picture and
of a clip (make_omni_towers.py). FEWER are tiers of the same base without some parts. Prints one
JSON line per check: {"check", "ok", "detail"}.
"""
import json
import pathlib
import sys

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models.nemotron_h import Model as TextModel
from mlx_lm.models.nemotron_h import ModelArgs
from mlx_vlm.utils import load_model, load_processor
from PIL import Image

frames = 24
towers = ("vision_model", "mlp1", "vision_final_layernorm", "sound_encoder", "sound_projection")


def report(check, ok, detail=""):
    print(json.dumps({"check": check, "ok": bool(ok), "detail": str(detail)}), flush=True)


def distance(ours, theirs):
    """Relative L2, in float64."""
    ours, theirs = (np.array(x).astype(np.float64) for x in (ours, theirs))
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def parameters(model):
    return {k: v for k, v in tree_flatten(model.parameters()) if k.startswith(towers)}


def bits(tensor):
    return np.array(tensor.view(mx.uint8))


def dequantized(model):
    """The language model's tensors as floats, by mlx-lm's names."""
    tensors = dict(tree_flatten(model.language_model.parameters()))
    modules = dict(model.language_model.named_modules())
    floats = {}
    for name, value in tensors.items():
        path, leaf = name.rsplit(".", 1)
        module = modules.get(path)
        if leaf in ("scales", "biases") and "scales" in module:
            continue
        if leaf == "weight" and module is not None and "scales" in module:
            value = mx.dequantize(
                value, module.scales, module.biases, module.group_size, module.bits
            )
        floats[name] = value
    return floats


def text_reference(model, config, ids):
    """Logits of mlx-lm's nemotron_h with the dequantized weights."""
    text = TextModel(ModelArgs.from_dict(config["text_config"]))
    weights = {k: v.astype(mx.float32) for k, v in dequantized(model).items()}
    text.load_weights(list(weights.items()), strict=True)
    return np.array(text(ids))


def features(model, config):
    side = config["vision_config"]["patch_size"] * 4
    pixels = mx.sin(mx.arange(3 * side * side, dtype=mx.float32)).reshape(1, 3, side, side)
    bins = config["sound_config"]["num_mel_bins"]
    mel = mx.cos(mx.arange(frames * bins, dtype=mx.float32)).reshape(1, frames, bins)
    seen = model.extract_feature(pixels)
    heard = model.sound_projection(model.sound_encoder(mel))
    return pixels, mel, np.array(seen).reshape(-1, seen.shape[-1]), np.array(heard)[0]


def logits(model, ids, **inputs):
    return np.array(model(ids, **inputs).logits)


def with_towers_of(base, tier, ids, inputs):
    """Logits of the tier's language model behind the base's own embedding of picture and clip."""
    parts = parameters(base)
    before = parameters(tier)
    tier.load_weights(list(parts.items()), strict=False)
    out = logits(tier, ids, **inputs)
    tier.load_weights(list(before.items()), strict=False)
    return out


def check(base, tier, seen_by_torch, heard_by_torch):
    config = json.load(open(tier / "config.json"))
    size = config["text_config"]["vocab_size"]
    text = [(7 * i * i + 3 * i + 5) % size for i in range(24)]
    reserved = {config[f"{name}_context_token_id"] for name in ("img", "video", "sound")}
    text = [token for token in text if token not in reserved]
    of_base, of_tier = load_model(base), load_model(tier)
    ours, theirs = parameters(of_tier), parameters(of_base)
    same = {name: (value.shape, str(value.dtype)) for name, value in ours.items()}
    expected = {name: (value.shape, str(value.dtype)) for name, value in theirs.items()}
    report("mlx-vlm has the base's towers: names, shapes, dtypes", same == expected, len(same))
    differ = [name for name in theirs if not np.array_equal(bits(ours[name]), bits(theirs[name]))]
    report("every value of the towers is the base's, bit for bit", not differ, differ[:3])

    processor = load_processor(tier)
    picture = Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
    made = processor(images=[picture], text=["<image>"])
    report("mlx-vlm's processor reads the tier", made["pixel_values"].shape == (1, 3, 16, 16))

    of_base.set_dtype(mx.float32)
    of_tier.set_dtype(mx.float32)
    gap = distance(of_tier.language_model(mx.array([text])).logits,
                   text_reference(of_tier, config, mx.array([text])))
    report("logits of text are those of mlx-lm with dequantized weights", gap < 1e-5, f"{gap:.2e}")

    pixels, mel, seen, heard = features(of_tier, config)
    if of_tier.vision_final_layernorm is not None:  # transformers' tower has this norm
        gap = distance(seen, np.load(seen_by_torch))
        report("the tower sees what transformers' does", gap < 1e-5, f"relative L2 {gap:.2e}")
    gap = distance(heard, np.load(heard_by_torch))
    report("the tower hears what transformers' does", gap < 1e-5, f"relative L2 {gap:.2e}")

    image, sound = config["img_context_token_id"], config["sound_context_token_id"]
    ids = mx.array([text[:8] + [image] * len(seen) + text[8:12] + [sound] * len(heard) + text[12:]])
    inputs = {"pixel_values": pixels, "input_features": mel}
    whole = logits(of_tier, ids, **inputs)
    swapped = with_towers_of(of_base, of_tier, ids, inputs)
    blind = logits(of_tier, ids)
    report(
        "with a picture and a clip the logits are those with the base's towers",
        np.array_equal(whole, swapped) and distance(blind, whole) > 1e-3,
        f"relative L2 {distance(whole, swapped):.2e}, without them {distance(blind, whole):.2e}",
    )
    _, _, seen_base, heard_base = features(of_base, config)
    report(
        "towers of base and tier give the same",
        np.array_equal(seen, seen_base) and np.array_equal(heard, heard_base),
    )
    return of_tier, mx.array([text])


def check_fewer(tier, whole, ids):
    """A tier without some towers: it lacks their modules, and computes the same on text."""
    config = json.load(open(tier / "config.json"))
    model = load_model(tier)
    model.set_dtype(mx.float32)
    keys = {"vision_model": "vision_config", "sound_encoder": "sound_config"}
    has = {name: getattr(model, name) is not None for name in keys}
    same = np.array_equal(logits(model, ids), logits(whole, ids))
    known = all(has[name] == (key in config) for name, key in keys.items())
    report(f"without {[name for name in keys if not has[name]]}", same and known, has)


base, tier, seen, heard, *fewer = (pathlib.Path(path) for path in sys.argv[1:])
whole, ids = check(base, tier, seen, heard)
for path in fewer:
    check_fewer(path, whole, ids)
