"""Makes a small vision tower and multi-token prediction for the random-tiny qwen3_5.

    make_towers.py FOLDER

Writes towers.safetensors with the base's names, vision.json with the keys of config.json that the
tower needs, and what transformers makes of pictures, in float32: the tower of one, and the random-
tiny qwen3_5 and qwen3_5_moe, with the tower, of a text with a picture and of one with a video. See
test/vlm-conformance.test.ts.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText
from transformers.models.qwen3_5.configuration_qwen3_5 import Qwen3_5VisionConfig
from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5VisionModel

HIDDEN, INNER, HEAD, HEADS, KEY_HEADS = 64, 128, 32, 4, 2  # of the language model
GRID = 4  # patches a side
VISION = {
    "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "in_channels": 3,
    "out_hidden_size": HIDDEN, "patch_size": 4, "temporal_patch_size": 2, "spatial_merge_size": 2,
    "num_position_embeddings": 16, "initializer_range": 0.1,
}  # fmt: skip


def mtp_shapes():
    block = "mtp.layers.0."
    return {
        "mtp.fc": (HIDDEN, 2 * HIDDEN), "mtp.norm": (HIDDEN,),
        "mtp.pre_fc_norm_embedding": (HIDDEN,), "mtp.pre_fc_norm_hidden": (HIDDEN,),
        block + "input_layernorm": (HIDDEN,), block + "post_attention_layernorm": (HIDDEN,),
        block + "self_attn.q_proj": (2 * HEADS * HEAD, HIDDEN),
        block + "self_attn.k_proj": (KEY_HEADS * HEAD, HIDDEN),
        block + "self_attn.v_proj": (KEY_HEADS * HEAD, HIDDEN),
        block + "self_attn.o_proj": (HIDDEN, HEADS * HEAD),
        block + "self_attn.q_norm": (HEAD,), block + "self_attn.k_norm": (HEAD,),
        block + "mlp.gate_proj": (INNER, HIDDEN), block + "mlp.up_proj": (INNER, HIDDEN),
        block + "mlp.down_proj": (HIDDEN, INNER),
    }  # fmt: skip


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
tower = Qwen3_5VisionModel(Qwen3_5VisionConfig(**VISION)).eval()
with torch.no_grad():
    for name, weight in tower.named_parameters():
        if weight.ndim == 1:  # norms and biases begin as ones and zeros
            weight.add_(0.1 * torch.randn_like(weight))
        weight.copy_(weight.bfloat16().float())
tensors = {f"model.visual.{k}": v.bfloat16().contiguous() for k, v in tower.state_dict().items()}
for name, shape in mtp_shapes().items():
    tensors[f"{name}.weight"] = (0.1 * torch.randn(shape)).bfloat16()
save_file(tensors, folder / "towers.safetensors")
config = {
    "image_token_id": 380, "video_token_id": 381, "vision_start_token_id": 382,
    "vision_end_token_id": 383, "vision_config": {"model_type": "qwen3_5", **VISION},
}  # fmt: skip
(folder / "vision.json").write_text(json.dumps(config, indent=2) + "\n")
size = VISION["in_channels"] * VISION["temporal_patch_size"] * VISION["patch_size"] ** 2


def pixels(frames):
    patches = frames * GRID * GRID
    return torch.sin(torch.arange(patches * size, dtype=torch.float32)).reshape(-1, size)


with torch.no_grad():
    seen = tower(pixels(1), grid_thw=torch.tensor([[1, GRID, GRID]]))
np.save(folder / "ref_vision_f32_torch.npy", seen.pooler_output.numpy())

# The processor writes a block for each two frames of a video, and the time before it.
block = [VISION["spatial_merge_size"] ** 2 * [token] for token in (380, 381)]
prompts = {
    "picture": ("image", 1, [5, 9, 20, 382, *block[0], 383, 40, 41, 42, 43]),
    "video": ("video", 2, [5, 9, 382, *block[1], 383, 30, 382, *block[1], 383, 40, 41, 42]),
}
(folder / "prompts.json").write_text(
    json.dumps({kind: {"ids": ids, "frames": frames} for kind, (_, frames, ids) in prompts.items()})
)
for kind in ("qwen3_5", "qwen3_5_moe"):
    text = folder.parent / "random-tiny" / kind
    with tempfile.TemporaryDirectory() as whole:
        weights = load_file(text / "model.safetensors") | {
            name: tensor for name, tensor in tensors.items() if not name.startswith("mtp.")
        }
        save_file(weights, Path(whole) / "model.safetensors", metadata={"format": "pt"})
        merged = json.loads((text / "config.json").read_text()) | config
        merged["vision_config"] = {**VISION, "model_type": f"{kind}_vision"}
        (Path(whole) / "config.json").write_text(json.dumps(merged))
        model = AutoModelForImageTextToText.from_pretrained(
            whole, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        for prompt, (modality, frames, ids) in prompts.items():
            kinds = [{380: 1, 381: 2}.get(token, 0) for token in ids]
            grid = torch.tensor([[frames, GRID, GRID]])
            inputs = (
                {"pixel_values": pixels(frames), "image_grid_thw": grid}
                if modality == "image"
                else {"pixel_values_videos": pixels(frames), "video_grid_thw": grid}
            )
            with torch.no_grad():
                logits = model(
                    input_ids=torch.tensor([ids]), mm_token_type_ids=torch.tensor([kinds]), **inputs
                ).logits[0]
            np.save(folder / f"ref_{kind}_{prompt}_f32_torch.npy", logits.numpy())
for name, tensor in tensors.items():
    print(name, list(tensor.shape))
