"""Makes a BF16 checkpoint for transformers out of a GGUF of architecture `llama` with a byte-level
BPE vocabulary:
    gguf_checkpoint.py <file.gguf> <out>
Matrices are dequantized by the `gguf` package, and rounded to bf16 to nearest, ties to even. GGUF
stores the rows of queries and keys for a rotary embedding of neighbouring channels; here they are
put back in the order of halves that transformers uses. The tokenizer is made from the vocabulary,
the merges and the chat template of the GGUF. A GGUF with fewer than 16 bits was quantized with
loss: the checkpoint serves to look at a run, and not as a base to publish.
Needs gguf and safetensors (gguf.txt)."""
import argparse
import json
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize
from safetensors import TensorSpec, serialize_file

NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # the token type of GGUF for special tokens


def name_of(name):
    if name in NAMES:
        return NAMES[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{PARTS[part]}.{kind}"


def in_halves(weight, heads):
    """Rows of each head [2i, 2i+1] → [i, i + size / 2]."""
    pairs = weight.reshape(heads, -1, 2, weight.shape[1])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def write_weights(reader, config, out):
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    arrays, tensors = {}, {}  # a TensorSpec does not keep its array alive
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        for part, many in heads.items():
            if f".{part}." in tensor.name:
                values = in_halves(values, many)
        array = arrays[tensor.name] = bf16(values)
        tensors[name_of(tensor.name)] = TensorSpec(
            dtype="bfloat16", shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes
        )
    serialize_file(tensors, out / "model.safetensors", {"format": "pt"})


def config_of(reader):
    value = lambda name: reader.fields[name].contents()
    llama = lambda name: value(f"llama.{name}")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": llama("embedding_length"),
        "intermediate_size": llama("feed_forward_length"),
        "num_hidden_layers": llama("block_count"),
        "num_attention_heads": llama("attention.head_count"),
        "num_key_value_heads": llama("attention.head_count_kv"),
        "head_dim": llama("rope.dimension_count"),
        "max_position_embeddings": llama("context_length"),
        "rope_theta": llama("rope.freq_base"),
        # Stored as float32: the shortest decimal number is the one that was meant.
        "rms_norm_eps": float(str(np.float32(llama("attention.layer_norm_rms_epsilon")))),
        "vocab_size": len(value("tokenizer.ggml.tokens")),
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in reader.tensors),
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": value("tokenizer.ggml.eos_token_id"),
        "pad_token_id": value("tokenizer.ggml.padding_token_id"),
        "torch_dtype": "bfloat16",
    }


def write_tokenizer(reader, out):
    value = lambda name: reader.fields[f"tokenizer.{name}"].contents()
    if (value("ggml.model"), value("ggml.pre")) != ("gpt2", "smollm"):
        raise SystemExit("only the pre-tokenizer `smollm` of a byte-level BPE is written here")
    tokens, types = value("ggml.tokens"), value("ggml.token_type")
    special = [at for at, kind in enumerate(types) if kind == CONTROL]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [{"id": at, "content": tokens[at], **flags, "special": True} for at in special]
    levels = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {token: at for at, token in enumerate(tokens)},
        "merges": [merge.split(" ") for merge in value("ggml.merges")],
    }
    # `smollm` of llama.cpp: each digit by itself, then the pattern of GPT-2.
    digits = {"type": "Digits", "individual_digits": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, levels]},
        "post_processor": None,
        "decoder": levels,
        "model": model,
    }
    token = lambda name: tokens[value(f"ggml.{name}_token_id")]
    names = {name: token(place) for name, place in [
        ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding"),
    ]}  # fmt: skip
    settings = {
        **names,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": reader.fields["llama.context_length"].contents(),
        "tokenizer_class": "GPT2Tokenizer",
        "chat_template": value("chat_template"),
    }
    write(out / "tokenizer.json", tokenizer)
    write(out / "tokenizer_config.json", settings)
    write(out / "special_tokens_map.json", names)


def write(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    reader = GGUFReader(given.gguf)
    if (kind := reader.fields["general.architecture"].contents()) != "llama":
        raise SystemExit(f"{given.gguf} has the architecture {kind}, not llama")
    given.out.mkdir(parents=True, exist_ok=True)
    config = config_of(reader)
    write(given.out / "config.json", config)
    ends = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write(given.out / "generation_config.json", ends)
    write_tokenizer(reader, given.out)
    write_weights(reader, config, given.out)


if __name__ == "__main__":
    main()
