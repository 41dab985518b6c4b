"""Makes small vision and sound towers for a random-tiny nemotron_h.

    make_omni_towers.py LANGUAGE_MODEL FOLDER

LANGUAGE_MODEL: folder of the random-tiny nemotron_h.latent. Writes towers.safetensors with the
names that NVIDIA publishes, towers.json with the keys of config.json that the towers need, and
what transformers' towers make of a picture and of a clip, in float32. See
test/omni-conformance.test.ts.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers.models.nemotron_h_omni.configuration_nemotron_h_omni import (
    NemotronH_Omni_Reasoning_V3_Config,
)
from transformers.models.nemotron_h_omni.modeling_nemotron_h_omni import NemotronH_Omni_Reasoning_V3

GRID, PATCH, FRAMES = 4, 4, 24  # patches a side, pixels of one, frames of sound
VISION = {
    "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": PATCH,
    "image_size": 16,
}  # fmt: skip
# The authors' spelling beside transformers': two class tokens, filled up to four.
PUBLISHED = {
    "intermediate_size": 192, "max_resolution": 32, "video_temporal_patch_size": 2,
    "args": {
        "cpe_max_size": 32, "register_multiple": 4,
        "teachers": [{"name": "one"}, {"name": "two"}],
    },
}  # fmt: skip
RADIO = {
    "max_img_size": 32, "num_cls_tokens": 2, "num_registers": 2, "mlp_ratio": 4.0,
    "video_temporal_patch_size": 2,
}  # fmt: skip
SOUND = {
    "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64,
    "conv_kernel_size": 5, "subsampling_factor": 4, "subsampling_conv_channels": 8,
    "num_mel_bins": 16, "attention_bias": False, "convolution_bias": False, "scale_input": False,
}  # fmt: skip
PROJECTION = {"projection_hidden_size": 48, "projection_bias": False}
OUTER = {"projector_hidden_size": 64, "vit_hidden_size": 48, "downsample_ratio": 0.5}
TOKENS = {
    "img_context_token_id": 18, "video_context_token_id": 19, "sound_context_token_id": 20,
}  # fmt: skip

language, folder = (Path(path) for path in sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
text = json.loads((language / "config.transformers5.json.txt").read_text())
del text["time_step_limit"]  # with an infinity that the config class does not take
torch.manual_seed(0)
config = NemotronH_Omni_Reasoning_V3_Config(
    text_config=text, vision_config={**VISION, **RADIO}, audio_config={**SOUND, **PROJECTION},
    vision_hidden_size=48, projector_hidden_size=64,
)  # fmt: skip
config.text_config.dtype = config.vision_config.dtype = torch.float32
model = NemotronH_Omni_Reasoning_V3(config).float().eval()
with torch.no_grad():
    for name, weight in [*model.named_parameters(), *model.named_buffers()]:
        if name.startswith("language_model.") or not weight.is_floating_point():
            continue
        if name.endswith("inv_freq"):  # not stored
            continue
        if "layer_scale" in name:  # transformers' own: ones, which no published file has
            continue
        if weight.ndim > 1:
            weight.normal_(std=0.15)
        elif "running_var" in name:
            weight.uniform_(0.5, 1.5)
        else:  # norms and biases begin as ones and zeros
            weight.add_(0.1 * torch.randn_like(weight))
        weight.copy_(weight.bfloat16().float())
with tempfile.TemporaryDirectory() as saved:
    model.save_pretrained(saved)
    tensors = load_file(Path(saved) / "model.safetensors")
tensors = {
    name: tensor.bfloat16().contiguous() if tensor.is_floating_point() else tensor
    for name, tensor in tensors.items()
    if not name.startswith("language_model.") and "layer_scale" not in name
}
# transformers leaves the normalization of pixels to its processor.
conditioner = "vision_model.radio_model.input_conditioner."
tensors[f"{conditioner}norm_mean"] = torch.tensor([0.48, 0.46, 0.41]).reshape(3, 1, 1)
tensors[f"{conditioner}norm_std"] = torch.tensor([0.27, 0.26, 0.28]).reshape(3, 1, 1)
# mlx-vlm drops these. It takes a base with a feature extractor to have PyTorch's layout.
tensors["vision_model.radio_model.summary_idxs"] = torch.tensor([0, 1])
extractor = "sound_encoder.encoder.feature_extractor.featurizer."
tensors[f"{extractor}fb"] = torch.zeros(1, 16, 8)
tensors[f"{extractor}window"] = torch.zeros(8)
save_file(tensors, folder / "towers.safetensors")
written = {
    **OUTER, **TOKENS, "ps_version": "v2",
    "vision_config": {"model_type": "radio", **VISION, **PUBLISHED},
    "sound_config": {"model_type": "parakeet", **SOUND, **PROJECTION},
}  # fmt: skip
(folder / "towers.json").write_text(json.dumps(written, indent=2) + "\n")

size = GRID * PATCH
pixels = torch.sin(torch.arange(3 * size * size, dtype=torch.float32)).reshape(3, size, size)
patches = pixels.reshape(3, GRID, PATCH, GRID, PATCH).permute(1, 3, 0, 2, 4).reshape(GRID**2, -1)
mel = torch.cos(torch.arange(FRAMES * 16, dtype=torch.float32)).reshape(1, FRAMES, 16)
with torch.no_grad():
    seen = model.get_image_features(patches, torch.tensor([[GRID, GRID]])).pooler_output
    heard = model.get_audio_features(mel).pooler_output
np.save(folder / "ref_vision_f32_torch.npy", torch.cat(list(seen)).numpy())
np.save(folder / "ref_sound_f32_torch.npy", heard.numpy())
for name, tensor in tensors.items():
    print(name, list(tensor.shape), tensor.dtype)
