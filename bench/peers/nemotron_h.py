"""A plain float32 forward pass of nemotron_h in numpy: sequential scan over time, all rows at once.

The mathematics as mlx-lm 0.32.2 `models/nemotron_h.py` runs it (dt clamped to `time_step_limit`).
Shapes in trailing comments: B rows, T tokens, D hidden; H heads of P channels, G groups, N state
for Mamba-2; E experts, K of them a token.
"""
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def relu2(x):
    return np.maximum(x, 0) ** 2


def rms(x, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(eps))


class NemotronH:
    """`weights` as stored.load gives them. `forward` returns logits and the experts that every MoE
    layer chose."""

    def __init__(self, config, weights):
        self.config, self.weights = config, weights

    def forward(self, ids, routes=None):
        """ids [B, T] -> logits [B, T, V] and routes: layer -> [B, T, K]. With `routes`, those
        experts are used instead."""
        config, weights = self.config, self.weights
        eps = config["layer_norm_epsilon"]
        chosen = {}
        x = weights["backbone.embeddings.weight"][ids]  # [B, T, D]
        for layer, kind in enumerate(config["hybrid_override_pattern"]):
            path = f"backbone.layers.{layer}"
            normed = rms(x, eps) * weights[f"{path}.norm.weight"]
            if kind == "M":
                x = x + self.mamba(normed, f"{path}.mixer")
            elif kind == "*":
                x = x + self.attention(normed, f"{path}.mixer")
            elif kind == "E":
                out, chosen[layer] = self.moe(normed, f"{path}.mixer", routes and routes[layer])
                x = x + out
            else:
                x = x + self.mlp(normed, f"{path}.mixer")
        x = rms(x, eps) * weights["backbone.norm_f.weight"]
        return x @ weights["lm_head.weight"].T, chosen

    def linear(self, x, path):
        return x @ self.weights[f"{path}.weight"].T

    def mlp(self, x, path):
        return self.linear(relu2(self.linear(x, f"{path}.up_proj")), f"{path}.down_proj")

    def mamba(self, x, path):
        config, weights = self.config, self.weights
        heads, width = config["mamba_num_heads"], config["mamba_head_dim"]
        groups, state_size = config["n_groups"], config["ssm_state_size"]
        rows, length, _ = x.shape
        inner, shared = heads * width, groups * state_size
        gate, mixed, dt = np.split(self.linear(x, f"{path}.in_proj"), [inner, 2 * inner + 2 * shared], axis=-1)

        taps = weights[f"{path}.conv1d.weight"]  # [channels, k]
        reach = taps.shape[1] - 1
        padded = np.pad(mixed, ((0, 0), (reach, 0), (0, 0)))
        mixed = sum(padded[:, j : j + length] * taps[:, j] for j in range(reach + 1))
        mixed = silu(mixed + weights.get(f"{path}.conv1d.bias", np.float32(0)))
        xs, b, c = np.split(mixed, [inner, inner + shared], axis=-1)
        xs = xs.reshape(rows, length, heads, width)  # [B, T, H, P]
        group = np.arange(heads) // (heads // groups)
        b = b.reshape(rows, length, groups, state_size)[:, :, group]  # [B, T, H, N]
        c = c.reshape(rows, length, groups, state_size)[:, :, group]

        low, high = config.get("time_step_limit") or (0, np.inf)
        dt = np.clip(np.logaddexp(0, dt + weights[f"{path}.dt_bias"]), np.float32(low), np.float32(high))  # [B, T, H]
        decay = np.exp(dt * -np.exp(weights[f"{path}.A_log"]))
        state = np.zeros((rows, heads, width, state_size), np.float32)
        y = np.empty_like(xs)
        for t in range(length):
            state *= decay[:, t, :, None, None]
            state += (dt[:, t, :, None] * xs[:, t])[..., None] * b[:, t, :, None]
            y[:, t] = (state @ c[:, t, :, :, None])[..., 0]
        y = (y + weights[f"{path}.D"][:, None] * xs).reshape(rows, length, inner)
        y = (y * silu(gate)).reshape(rows, length, groups, inner // groups)
        y = rms(y, config["layer_norm_epsilon"]).reshape(rows, length, inner) * weights[f"{path}.norm.weight"]
        return self.linear(y, f"{path}.out_proj")

    def attention(self, x, path):
        config = self.config
        heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
        width = config.get("head_dim") or config["hidden_size"] // heads
        rows, length, _ = x.shape

        def split(name, count):
            return self.linear(x, f"{path}.{name}").reshape(rows, length, count, width).transpose(0, 2, 1, 3)

        q = split("q_proj", heads)  # [B, h, T, d]
        k, v = (split(name, kv).repeat(heads // kv, axis=1) for name in ("k_proj", "v_proj"))
        scores = q @ k.transpose(0, 1, 3, 2) * np.float32(width**-0.5)
        scores = np.where(np.tril(np.ones((length, length), bool)), scores, np.float32(-np.inf))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ v).transpose(0, 2, 1, 3).reshape(rows, length, heads * width)
        return self.linear(mixed, f"{path}.o_proj")

    def moe(self, x, path, forced):
        config, weights = self.config, self.weights
        rows, length, width = x.shape
        flat = x.reshape(-1, width)  # [tokens, D]
        scores = sigmoid(flat @ weights[f"{path}.gate.weight"].T)  # [tokens, E]
        if forced is None:
            chosen = self.choose(scores + weights[f"{path}.gate.e_score_correction_bias"])
        else:
            chosen = forced.reshape(len(flat), -1)
        # [tokens, K]: scores of this model's own router, without the correction
        gates = np.take_along_axis(scores, chosen, -1)
        if config["norm_topk_prob"] and chosen.shape[1] > 1:
            gates = gates / (gates.sum(-1, keepdims=True) + np.float32(1e-20))
        gates = gates * np.float32(config["routed_scaling_factor"])

        routed = self.linear(flat, f"{path}.fc1_latent_proj") if config.get("moe_latent_size") else flat
        up, down = (weights[f"{path}.switch_mlp.{name}.weight"] for name in ("fc1", "fc2"))
        out = np.zeros((len(flat), down.shape[1]), np.float32)
        for expert in range(len(up)):
            token, slot = np.nonzero(chosen == expert)
            out[token] += gates[token, slot, None] * (relu2(routed[token] @ up[expert].T) @ down[expert].T)
        if config.get("moe_latent_size"):
            out = self.linear(out, f"{path}.fc2_latent_proj")
        if config.get("n_shared_experts") is not None:
            out = out + self.mlp(flat, f"{path}.shared_experts")
        return out.reshape(x.shape), chosen.reshape(rows, length, -1)

    def choose(self, scores):
        """Corrected scores [tokens, E] -> the K best experts of the best groups, ties to the lower
        number."""
        config = self.config
        groups = config.get("n_group") or 1
        if groups > 1:
            grouped = scores.reshape(len(scores), groups, -1)
            best = np.sort(grouped, -1)[..., -2:].sum(-1)
            dropped = np.argsort(best, -1, kind="stable")[:, : groups - config["topk_group"]]
            grouped = grouped.copy()
            np.put_along_axis(grouped, dropped[..., None], np.float32(0), axis=1)
            scores = grouped.reshape(scores.shape)
        return np.argsort(-scores, -1, kind="stable")[:, : config["num_experts_per_tok"]]
