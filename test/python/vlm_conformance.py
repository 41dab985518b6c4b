"""Compares tiers of vision-language models with stock mlx-lm and mlx-vlm.

    vlm_conformance.py TASKS.json

One repository serves both: mlx-lm skips the towers, mlx-vlm reads them. TASKS.json is a list of
{"task", "base", "tiers", "bare", "seen", "logits"}: a base, its tiers, those of them that were made
without the tower, and what transformers computes (make_towers.py): the tower of a picture, and the
whole model of each prompt. One process does all tasks, because the imports take longer than a task.
Prints one JSON line per check: {"task", "check", "ok", "detail"}.
"""
import json
import pathlib
import sys
import tempfile

import mlx.core as mx
import numpy as np
from mlx_lm.utils import load_model as load_text
from mlx_vlm.utils import load_model as load_vision

import mlx_conformance
from mlx_conformance import distance, flatten, put_dequantized, report

side = 4  # patches a side of the picture


def text_logits(model, ids):
    model.set_dtype(mx.float32)
    out = model(ids)
    return np.array(getattr(out, "logits", out))


def tower(model):
    return dict(flatten(model.vision_tower))


def bits(tensor):
    return np.array(tensor.view(mx.uint8))


def pixels(config, frames):
    """Made-up pixels of a grid of patches."""
    vision = config["vision_config"]
    size = vision["in_channels"] * vision["temporal_patch_size"] * vision["patch_size"] ** 2
    return mx.sin(mx.arange(frames * side * side * size, dtype=mx.float32)).reshape(-1, size)


def seen(model, config):
    """What the tower makes of a picture."""
    out = model.vision_tower(pixels(config, 1), mx.array([[1, side, side]]))
    return np.array(out[0] if isinstance(out, tuple) else out)


def prompt_logits(model, config, kind, prompt):
    """Logits of a text with a picture or a video."""
    ids = mx.array([prompt["ids"]])
    grid = mx.array([[prompt["frames"], side, side]])
    given = {"image_grid_thw" if kind == "picture" else "video_grid_thw": grid}
    entered = model.get_input_embeddings(ids, pixel_values=pixels(config, prompt["frames"]), **given)
    out = model.language_model(
        ids, inputs_embeds=entered.inputs_embeds, position_ids=entered.position_ids
    )
    return np.array(out.logits)[0]


def base_model(base, config):
    """The base's weights under a tier's config: mlx-vlm loads no config without mrope_section."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "model.safetensors").symlink_to(base / "model.safetensors")
        plain = {key: value for key, value in config.items() if not key.startswith("quantization")}
        (folder / "config.json").write_text(json.dumps(plain))
        return load_vision(folder)


def check_tower(task, base, tier):
    config = json.load(open(tier / "config.json"))
    prompts = json.load(open(task["prompts"]))
    ids = mx.array([[(7 * i * i + 3 * i + 5) % config["text_config"]["vocab_size"] for i in range(24)]])
    of_base, of_tier = base_model(base, config), load_vision(tier)
    ours, theirs = tower(of_tier), tower(of_base)
    same = {name: (value.shape, str(value.dtype)) for name, value in ours.items()}
    expected = {name: (value.shape, str(value.dtype)) for name, value in theirs.items()}
    report(f"{tier.name}: mlx-vlm has the base's tower: names, shapes, dtypes", same == expected, f"{len(same)} tensors")
    differ = [name for name in theirs if not np.array_equal(bits(ours[name]), bits(theirs[name]))]
    report(f"{tier.name}: every value of the tower is the base's, bit for bit", not differ, differ[:3])
    for model in (of_base, of_tier):
        model.set_dtype(mx.float32)
    gap = distance(seen(of_tier, config), np.load(task["seen"]))
    report(f"{tier.name}: the tower sees what transformers' does", gap < 1e-5, f"relative L2 {gap:.2e}")
    text, _ = load_text(tier)
    gap = distance(text_logits(of_tier.language_model, ids), text_logits(text, ids))
    report(f"{tier.name}: mlx-lm and mlx-vlm have the same logits of text", gap < 1e-5, f"relative L2 {gap:.2e}")
    for kind, prompt in prompts.items():
        gap = distance(prompt_logits(of_base, config, kind, prompt), np.load(task["logits"][kind]))
        report(f"{tier.name}: its config gives transformers' logits of a {kind}", gap < 1e-5, f"relative L2 {gap:.2e}")
    put_dequantized(of_base, tier)
    for kind, prompt in prompts.items():
        gap = distance(*(prompt_logits(model, config, kind, prompt) for model in (of_tier, of_base)))
        report(f"{tier.name}: logits of a {kind} equal the dequantized reference", gap < 1e-5, f"relative L2 {gap:.2e}")


def check_bare(tier, whole):
    """A tier without a tower has the language model of the one with it."""
    ids = mx.array([[(7 * i * i + 3 * i + 5) % 300 for i in range(24)]])
    ours, theirs = (text_logits(load_text(folder)[0], ids) for folder in (tier, whole))
    report(f"{tier.name}: the language model is the same without the tower", np.array_equal(ours, theirs))


for task in json.load(open(sys.argv[1])):
    mlx_conformance.current = task["task"]
    tiers = [pathlib.Path(tier) for tier in task["tiers"]]
    for tier in tiers:
        check_tower(task, pathlib.Path(task["base"]), tier)
    for tier in map(pathlib.Path, task["bare"]):
        check_bare(tier, next(one for one in tiers if one.name == tier.name))
