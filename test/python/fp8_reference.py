"""What transformers makes of small bases in FP8. `node test/fp8-golden.ts` runs it.

    fp8_reference.py TASKS.json     TASKS = [{"model": folder, "out": path prefix, "ids": [...]}, …]

Loads each base as transformers does on a machine without a GPU: its FineGrainedFP8 quantizer
decodes every matrix, here to float32. Writes <out>.json, the SHA-256 of each parameter in float32
by its name, gate and up of the experts apart, and <out>.npy, the logits of `ids`.
"""
import hashlib
import json
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.quantizers import quantizer_finegrained_fp8

# It asks for accelerate, and uses nothing of it without a device map.
quantizer_finegrained_fp8.is_accelerate_available = lambda: True
torch.set_num_threads(1)


def parameters(model):
    for name, value in model.named_parameters():
        if not name.endswith(".experts.gate_up_proj"):
            yield name, value
            continue
        for leaf, half in zip(("gate_proj", "up_proj"), value.chunk(2, dim=1)):
            yield name.replace("gate_up_proj", leaf), half


for task in json.load(open(sys.argv[1])):
    model, report = AutoModelForCausalLM.from_pretrained(
        task["model"], dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values()), report
    digests = {}
    for name, value in parameters(model):
        data = value.detach().contiguous().numpy().astype("<f4").tobytes()
        digests[name] = hashlib.sha256(data).hexdigest()
    with open(f"{task['out']}.json", "w") as file:
        json.dump(digests, file, indent=2, sort_keys=True)
        file.write("\n")
    with torch.no_grad():
        logits = model(torch.tensor([task["ids"]])).logits[0]
    np.save(f"{task['out']}.npy", logits.float().numpy())
