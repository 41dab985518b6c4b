"""What the checks of hub_conformance.py share: the clients, the checks in their order, and helpers."""

import hashlib
import sys
from pathlib import Path

from huggingface_hub import HfApi

MODEL, SCRATCH = Path(sys.argv[1]), Path(sys.argv[2])
REPO = "acme/Tiny-oQ4e"
CARD = "---\nlicense: mit\nlibrary_name: mlx\ntags:\n- mlx\nbase_model: base/tiny\nbase_model_relation: quantized\n---\n# Tiny\n"

ada, eve, bob = HfApi(token="hf_ada"), HfApi(token="hf_eve"), HfApi(token="hf_bob")
checks = []


def check(function):
    checks.append(function)
    return function


def raises(error, run, status=None, text=""):
    try:
        run()
    except error as caught:
        response = getattr(caught, "response", None)
        assert status is None or response.status_code == status, f"expected {status}, got {response.status_code}"
        assert text in str(caught), f"expected {text!r} in {caught}"
        return caught
    raise AssertionError(f"expected {error.__name__}, nothing was raised")


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
