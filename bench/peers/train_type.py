"""Trains the random checkpoint of a model type, so that its weights are those of a model:
    train_type.py <checkpoint> <folder of .txt> <out> [--steps 600] [--seconds 170] [--mxfp4]
Config, tokenizer and file layout stay as they are. Seeded, one thread. It stops after the steps or
the seconds, so only a run that makes all its steps can be repeated. Writes `training.json` with the
steps, and the mean losses (nats per token) of the first and of the last 20 of them. `--mxfp4` codes
the trained experts as the authors of gpt-oss do; the losses are those before.
Needs torch, transformers and tokenizers (test/python/fixtures.txt)."""
import argparse
import json
import math
import shutil
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

sys.path.insert(0, str(Path(__file__).parents[2] / "test/python"))
from mxfp4_experts import code_experts

ROWS, LENGTH, RATE, WARM = 8, 64, 4e-3, 30


def read_tokens(checkpoint, texts):
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    # 200,000 characters of each file keep the languages in balance.
    paths = sorted(texts.rglob("*.txt"))
    text = "\n".join(path.read_text(errors="ignore")[:200_000] for path in paths)
    return torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)


def train(model, tokens, steps, seconds):
    """The losses of all steps. The rate rises for WARM steps and falls with a cosine."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.01)
    losses, start = [], time.time()
    while (done := max(len(losses) / steps, (time.time() - start) / seconds)) < 1:
        step = len(losses)
        rate = RATE * min(1, (step + 1) / WARM) * (0.05 + 0.475 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(0, len(tokens) - LENGTH, (ROWS,))
        rows = torch.stack([tokens[at : at + LENGTH] for at in starts])
        loss = model(rows, labels=rows).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 25 == 0:
            print(f"step {step}: {loss.item():.3f} ({time.time() - start:.0f} s)", flush=True)
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("checkpoint", "texts", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=170)
    parser.add_argument("--mxfp4", action="store_true")
    given = parser.parse_args()
    torch.manual_seed(5)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(given.checkpoint, dtype=torch.float32).train()
    losses = train(model, read_tokens(given.checkpoint, given.texts), given.steps, given.seconds)
    model.to(torch.bfloat16).save_pretrained(given.out)
    for path in given.checkpoint.iterdir():  # the config too: save_pretrained writes its own
        if path.suffix in (".json", ".jinja") and path.stem not in ("ref_ids", "variants"):
            shutil.copy(path, given.out)
    if given.mxfp4:
        code_experts(given.out)
    mean = lambda part: round(sum(part) / len(part), 3)
    record = {"steps": len(losses), "first": mean(losses[:20]), "last": mean(losses[-20:])}
    (given.out / "training.json").write_text(json.dumps(record))
    print(record)


if __name__ == "__main__":
    main()
