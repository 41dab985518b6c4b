"""KL(base || quantized) of MLX repositories of one nemotron_h base, in numpy from the stored bytes.
It checks our engine.

    divergence.py BASE IDS.json REPO... [--positions FOLDER] [--rows N] [--only REGEX]

IDS.json: rows of token ids of one length, `[[...], ...]` or `{"rows": [{"ids": [...], "domain":
"en"}, ...]}`. Prints one JSON line per repository. KL in nats over the full vocabulary, log-softmax
in float64 of float32 logits, at every position of every row. `free`: the model's own routers
choose; `forced`: the quantized model uses the experts that the base chose, with its own gate
weights. Errors are those of the mean over rows (positions of a row depend on each other, rows do
not). --only reads the tensors whose names match from the repository and all others from the base.
So it shows the cost of a part of the plan. --positions writes KL per position as
FOLDER/<repo>.{free,forced}.npy, float64 [rows, length].
"""
import argparse
import json
import pathlib
import re
import sys
import time

import numpy as np
from nemotron_h import NemotronH
from rows import read_rows
from stored import load

at_once = 16  # rows: what a scan's state needs to stay in cache


def log_softmax(logits):
    x = logits.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


class Tally:
    """KL, agreement of the top token, and log-likelihood of what follows, by position."""

    def __init__(self):
        self.kl, self.same, self.likelihood = [], [], []

    def add(self, base, other, ids):
        """base, other: log-probabilities [B, T, V]; ids [B, T]."""
        self.kl.append((np.exp(base) * (base - other)).sum(-1))
        self.same.append(base.argmax(-1) == other.argmax(-1))
        self.likelihood.append(np.take_along_axis(other[:, :-1], ids[:, 1:, None], -1)[..., 0])

    def summary(self, domains):
        kl, same = np.concatenate(self.kl), np.concatenate(self.same)
        row_means = kl.mean(-1)
        found = {
            "mean": row_means.mean(),
            "se": row_means.std(ddof=1) / np.sqrt(len(row_means)),
            "median": np.median(kl),
            "p99": np.quantile(kl, 0.99),
            "sameTop": same.mean(),
            "perplexity": np.exp(-np.concatenate(self.likelihood).mean()),
        }
        found = {name: float(value) for name, value in found.items()}
        if domains:
            labels = np.array(domains)
            found["domains"] = {d: float(row_means[labels == d].mean()) for d in dict.fromkeys(domains)}
        return found


def overlap(base, other):
    """Share of the base's choices that the other model chose too, over tokens and layers."""
    both = [(base[layer][..., :, None] == other[layer][..., None, :]).any(-1) for layer in base]
    return float(np.mean(both))


def partly(base, repo, only):
    """The repository's model, or the base with those of its tensors whose names match."""
    config, weights = load(repo)
    if weights.keys() != base.weights.keys():
        sys.exit(f"{repo}: not the base's tensors: {sorted(weights.keys() ^ base.weights.keys())[:5]}")
    taken = {name: weights[name] if re.search(only, name) else own for name, own in base.weights.items()}
    return NemotronH(config, taken)


def compare(base, models, ids):
    """Yields (name, per-mode tallies, router overlap, base's perplexity), all models side by side,
    a few rows at a time."""
    tallies = {name: {"free": Tally(), "forced": Tally()} for name in models}
    overlaps = {name: [] for name in models}
    base_tally = Tally()
    for start in range(0, len(ids), at_once):
        part = ids[start : start + at_once]
        logits, routes = base.forward(part)
        expected = log_softmax(logits)
        base_tally.add(expected, expected, part)
        for name, model in models.items():
            logits, chosen = model.forward(part)
            tallies[name]["free"].add(expected, log_softmax(logits), part)
            overlaps[name].append((len(part), overlap(routes, chosen)))
            logits, _ = model.forward(part, routes)
            tallies[name]["forced"].add(expected, log_softmax(logits), part)
        print(f"{min(start + at_once, len(ids))} of {len(ids)} rows", file=sys.stderr, flush=True)
    base_perplexity = base_tally.summary([])["perplexity"]
    for name, modes in tallies.items():
        rows, shares = zip(*overlaps[name])
        yield name, modes, float(np.average(shares, weights=rows)), base_perplexity


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("ids")
    parser.add_argument("repos", nargs="+")
    parser.add_argument("--positions")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    started = time.perf_counter()
    ids, domains = read_rows(options.ids, options.rows)
    base = NemotronH(*load(options.base))
    models = {pathlib.Path(repo).name: partly(base, repo, options.only) for repo in options.repos}
    for name, modes, shared_routes, base_perplexity in compare(base, models, ids):
        line = {"repo": name, "rows": len(ids), "length": ids.shape[1], "basePerplexity": base_perplexity}
        line |= {mode: tally.summary(domains) for mode, tally in modes.items()}
        line |= {"routerOverlap": shared_routes, "seconds": round(time.perf_counter() - started, 1)}
        print(json.dumps(line), flush=True)
        if options.positions:
            pathlib.Path(options.positions).mkdir(parents=True, exist_ok=True)
            for mode, tally in modes.items():
                np.save(f"{options.positions}/{name}.{mode}.npy", np.concatenate(tally.kl))


main()
