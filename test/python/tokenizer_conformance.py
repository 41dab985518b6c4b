"""Token ids of Rust's tokenizers, for texts given as JSON on stdin.

    ids TOKENIZER.json   stdin: a list of texts. Prints the token ids of each, one JSON list a line.
    train FOLDER         stdin: a list of texts. Trains one small tokenizer of each kind that the
                         checkpoints of our architectures have: FOLDER/<kind>/tokenizer.json.
                         Patterns and settings are of their kind; only the vocabulary is small.
    many TASKS.json      TASKS.json: {"texts": [...], "tasks": [{"command", "place", "more"}]}.
                         Prints per task the ids of all texts, then of its own `more`, as one line.
                         `command` is `ids` or `auto`: the latter asks transformers' AutoTokenizer
                         about a folder of vocab.json and merges.txt.

Truncation and padding are turned off, as transformers does.
"""

import json
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(pattern, normalizer=None, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return tokenizer, trainers.BpeTrainer(vocab_size=2000, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"])


def byte_fallback():
    """Llama 2: no pre-tokenizer, blanks as ▁, what is unknown as bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")  # for training only
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    return tokenizer, trainers.BpeTrainer(vocab_size=1500, limit_alphabet=200, special_tokens=special)


KINDS = {
    "llama-2": byte_fallback,
    "llama-3": lambda: byte_level(LLAMA3, ignore_merges=True),
    "qwen": lambda: byte_level(LLAMA3.replace("{1,3}", ""), normalizers.NFC()),
    "tekken": lambda: byte_level(TEKKEN),
}


def train(folder, texts):
    for kind, make in KINDS.items():
        tokenizer, trainer = make()
        trainer.show_progress = False
        tokenizer.train_from_iterator(texts, trainer)
        definition = json.loads(tokenizer.to_str())
        if kind == "llama-2":
            definition["pre_tokenizer"] = None
        (folder / kind).mkdir()
        (folder / kind / "tokenizer.json").write_text(json.dumps(definition, ensure_ascii=False))


def auto(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]


def rust(path):
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def many(path):
    asked = json.loads(Path(path).read_text())
    for task in asked["tasks"]:
        encode = {"ids": rust, "auto": auto}[task["command"]](task["place"])
        print(json.dumps([encode(text) for text in asked["texts"] + task["more"]]))


command, place = sys.argv[1:]
if command == "train":
    train(Path(place), json.load(sys.stdin))
elif command == "many":
    many(place)
else:
    encode = rust(place)
    for text in json.load(sys.stdin):
        print(json.dumps(encode(text)))
