"""What transformers makes of small bases in FP8.

    fp8_reference.py TASKS.json     TASKS = [{"model": folder, "out": path prefix, "ids": [...]}, ...]

Loads each base as transformers does without a GPU: its FineGrainedFP8 quantizer decodes every
matrix, here to float32. Writes <out>.safetensors, the values of all parameters by their names in
transformers, and <out>.npy, the logits of `ids`.
"""
import json
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.quantizers import quantizer_finegrained_fp8

# It asks for accelerate, and uses nothing of it without a device map.
quantizer_finegrained_fp8.is_accelerate_available = lambda: True
torch.set_num_threads(1)

for task in json.load(open(sys.argv[1])):
    config = AutoConfig.from_pretrained(task["model"])
    model, info = AutoModelForCausalLM.from_pretrained(
        task["model"], config=config, dtype=torch.float32, output_loading_info=True
    )
    print(json.dumps({"out": task["out"], **{k: sorted(map(str, v)) for k, v in info.items() if v}}))
    values = {name: value.detach().contiguous().clone() for name, value in model.named_parameters()}
    save_file(values, f"{task['out']}.safetensors")
    with torch.no_grad():
        logits = model(torch.tensor([task["ids"]])).logits
    np.save(f"{task['out']}.npy", logits[0].float().numpy())
