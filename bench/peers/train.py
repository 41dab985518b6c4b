"""Trains a small model on one thread of a CPU, as a test bed for tables of other models:
    python bench/peers/train.py <kind> <folder of .txt> <out> [--untied] [--steps 1200]
`kind` is qwen3_moe or llama. The tokenizer is that of the embedded model. Seeded: the same text,
torch and steps give the same weights. Needs torch, tokenizers and safetensors."""
import argparse
import json
import math
import shutil
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

EMBEDDED = Path(__file__).parents[2] / "test/models/nemotron-nano-tiny"
EVALUATION = Path(__file__).parents[2] / "corpus/evaluation"
# Every width of an input is a multiple of 64, the size of a group.
HIDDEN, HEADS, KEYS, HEAD, VOCABULARY = 128, 4, 2, 32, 4096
EXPERTS, CHOSEN, EXPERT = 8, 2, 64
LAYERS = {"qwen3_moe": 4, "llama": 6}
DENSE = 384
EPSILON, THETA = 1e-6, 10000.0
ROWS, LENGTH, RATE = 4, 256, 4e-3


def matrix(rows, columns, scale=1.0):
    """A weight [rows, columns] that keeps the size of what it multiplies."""
    return nn.Parameter(torch.randn(rows, columns) * scale * columns**-0.5)


class Attention(nn.Module):
    """Causal attention with rotary positions; Qwen3 normalizes every head's queries and keys."""

    def __init__(self, kind, depth):
        super().__init__()
        self.q_proj, self.k_proj = matrix(HEADS * HEAD, HIDDEN), matrix(KEYS * HEAD, HIDDEN)
        self.v_proj = matrix(KEYS * HEAD, HIDDEN)
        self.o_proj = matrix(HIDDEN, HEADS * HEAD, depth)
        if kind == "qwen3_moe":
            self.q_norm, self.k_norm = (nn.Parameter(torch.ones(HEAD)) for _ in range(2))

    def forward(self, x, angles):
        heads = lambda weight: F.linear(x, weight).unflatten(-1, (-1, HEAD))
        q, k, v = heads(self.q_proj), heads(self.k_proj), heads(self.v_proj)
        if hasattr(self, "q_norm"):
            q = F.rms_norm(q, (HEAD,), self.q_norm, EPSILON)
            k = F.rms_norm(k, (HEAD,), self.k_norm, EPSILON)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        many = HEADS // KEYS
        k, v = rotate(k, angles).repeat_interleave(many, 1), v.repeat_interleave(many, 1)
        mixed = F.scaled_dot_product_attention(rotate(q, angles), k, v, is_causal=True)
        return F.linear(mixed.transpose(1, 2).flatten(2), self.o_proj)


def rotate(x, angles):
    first, second = x.chunk(2, -1)
    turned = torch.cat([-second, first], -1)
    return x * angles.cos().repeat(1, 2) + turned * angles.sin().repeat(1, 2)


class Dense(nn.Module):
    def __init__(self, size, depth):
        super().__init__()
        self.gate_proj, self.up_proj = matrix(size, HIDDEN), matrix(size, HIDDEN)
        self.down_proj = matrix(HIDDEN, size, depth)

    def forward(self, x):
        hidden = F.silu(F.linear(x, self.gate_proj)) * F.linear(x, self.up_proj)
        return F.linear(hidden, self.down_proj)


class Mixture(nn.Module):
    """The chosen experts of each token, by a softmax router; `balance` is its auxiliary loss."""

    def __init__(self, depth):
        super().__init__()
        self.gate = nn.Parameter(torch.randn(EXPERTS, HIDDEN) * 0.02)
        self.experts = nn.ModuleList(Dense(EXPERT, depth) for _ in range(EXPERTS))

    def forward(self, x):
        tokens = x.flatten(0, -2)
        scores = F.linear(tokens, self.gate).softmax(-1)
        weights, chosen = scores.topk(CHOSEN, -1)
        weights = weights / weights.sum(-1, keepdim=True)
        load = F.one_hot(chosen, EXPERTS).float().mean((0, 1))
        self.balance = EXPERTS * (scores.mean(0) * load).sum()
        out = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            token, place = (chosen == number).nonzero(as_tuple=True)
            own = expert(tokens[token]) * weights[token, place, None]
            out = out.index_add(0, token, own)
        return out.view_as(x)


class Block(nn.Module):
    def __init__(self, kind):
        super().__init__()
        depth = (2 * LAYERS[kind]) ** -0.5
        self.input_layernorm = nn.Parameter(torch.ones(HIDDEN))
        self.post_attention_layernorm = nn.Parameter(torch.ones(HIDDEN))
        self.self_attn = Attention(kind, depth)
        self.mlp = Mixture(depth) if kind == "qwen3_moe" else Dense(DENSE, depth)

    def forward(self, x, angles):
        x = x + self.self_attn(F.rms_norm(x, (HIDDEN,), self.input_layernorm, EPSILON), angles)
        return x + self.mlp(F.rms_norm(x, (HIDDEN,), self.post_attention_layernorm, EPSILON))


class Model(nn.Module):
    def __init__(self, kind, tied):
        super().__init__()
        self.embed_tokens = nn.Parameter(torch.randn(VOCABULARY, HIDDEN) * 0.04)
        self.layers = nn.ModuleList(Block(kind) for _ in range(LAYERS[kind]))
        self.norm = nn.Parameter(torch.ones(HIDDEN))
        self.lm_head = None if tied else matrix(VOCABULARY, HIDDEN)

    def forward(self, ids):
        x = F.embedding(ids, self.embed_tokens)
        frequencies = THETA ** (-torch.arange(0, HEAD, 2) / HEAD)
        angles = torch.arange(ids.shape[1])[:, None] * frequencies
        for block in self.layers:
            x = block(x, angles)
        table = self.embed_tokens if self.lm_head is None else self.lm_head
        return F.linear(F.rms_norm(x, (HIDDEN,), self.norm, EPSILON), table)

    def loss(self, rows):
        logits = self(rows[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())

    def balance(self):
        mixtures = [block.mlp for block in self.layers if isinstance(block.mlp, Mixture)]
        return 0.01 * sum(mixture.balance for mixture in mixtures)


def ids_of(folder):
    """All files of a folder, one after the other."""
    tokenizer = Tokenizer.from_file(str(EMBEDDED / "tokenizer.json"))
    files = sorted(Path(folder).glob("*.txt"))
    parts = [tokenizer.encode(file.read_text(), add_special_tokens=False).ids for file in files]
    return torch.tensor([token for part in parts for token in part])


def optimizer_of(model):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95), fused=True)


def train(model, ids, steps):
    """Warm-up, then a constant rate, then a linear fall over the last 40 % of the steps."""
    optimizer = optimizer_of(model)
    started = time.process_time()
    for step in range(steps):
        left = 1 - step / steps
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 60, max(0.02, left / 0.4))
        starts = torch.randint(len(ids) - LENGTH - 1, (ROWS,))
        loss = model.loss(torch.stack([ids[start : start + LENGTH + 1] for start in starts]))
        (loss + model.balance()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 200 == 199:
            seconds = time.process_time() - started
            print(f"step {step + 1}: loss {loss.item():.3f}, {seconds:.0f} CPU s", flush=True)


@torch.no_grad()
def held_out(model, rows=64):
    """Nats per token of the evaluation text, and those of a model of single tokens."""
    ids = ids_of(EVALUATION)
    starts = torch.linspace(0, len(ids) - LENGTH - 1, rows).long()
    windows = torch.stack([ids[start : start + LENGTH + 1] for start in starts])
    counts = ids.bincount(minlength=VOCABULARY).double()
    shares = counts[counts > 0] / counts.sum()
    return model.loss(windows).item(), -(shares * shares.log()).sum().item()


def config_of(kind, tied):
    shared = {
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3, "hidden_act": "silu",
        "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_key_value_heads": KEYS,
        "head_dim": HEAD, "num_hidden_layers": LAYERS[kind], "vocab_size": VOCABULARY,
        "max_position_embeddings": 4096, "rms_norm_eps": EPSILON, "rope_theta": THETA,
        "attention_bias": False, "tie_word_embeddings": tied, "torch_dtype": "bfloat16",
    }  # fmt: skip
    if kind == "llama":
        names = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
        return {**names, **shared, "intermediate_size": DENSE, "mlp_bias": False}
    return {
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", **shared,
        "intermediate_size": 2 * EXPERT, "moe_intermediate_size": EXPERT, "num_experts": EXPERTS,
        "num_experts_per_tok": CHOSEN, "norm_topk_prob": True, "decoder_sparse_step": 1,
        "mlp_only_layers": [], "use_sliding_window": False, "sliding_window": None,
    }  # fmt: skip


def save(model, kind, out):
    out.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, value in model.state_dict().items():
        place = name if name == "lm_head" else f"model.{name}"
        tensors[f"{place}.weight"] = value.to(torch.bfloat16).contiguous()
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    config = config_of(kind, model.lm_head is None)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "LICENSE"):
        shutil.copy(EMBEDDED / name, out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=LAYERS)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--untied", action="store_true")
    parser.add_argument("--steps", type=int, default=1200)
    given = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = Model(given.kind, not given.untied)
    count = sum(parameter.numel() for parameter in model.parameters())
    ids = ids_of(given.text)
    print(f"{count:,} parameters, {len(ids):,} tokens of text", flush=True)
    train(model, ids, given.steps)
    loss, unigram = held_out(model)
    print(f"held-out loss {loss:.3f} (perplexity {math.exp(loss):.1f}), unigram {unigram:.3f}")
    save(model, given.kind, given.out)


main()
