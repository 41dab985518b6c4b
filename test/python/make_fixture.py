"""Makes a small checkpoint of random weights with transformers, and its logits in float32.

    make_fixture.py MODEL_TYPE FOLDER REQUEST

REQUEST is a JSON object. "config" has keys of config.json to set. "variants" maps a name to config
keys that change the logits of the same weights. "mxfp4": code the experts as gpt-oss's authors do.
"double": compute the logits in float64, and round them to float32 at the end.
Weights and plain logits that FOLDER has stay as they are. See docs/adding-a-model.md.
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from mxfp4_experts import code_experts

VOCABULARY = 384
# Types of vision-language models -> that of their language model.
LANGUAGE_MODELS = {"qwen3_5": "qwen3_5_text", "qwen3_5_moe": "qwen3_5_moe_text"}
# Sizes that keep a checkpoint near a megabyte. Widths are multiples of 64, the group size. Keys
# that the configuration class does not have are left out.
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 256,
    "moe_intermediate_size": 64, "shared_expert_intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 32,
    "linear_value_head_dim": 32, "max_position_embeddings": 512, "num_experts": 8, "num_local_experts": 8,
    "n_routed_experts": 8, "num_experts_per_tok": 2, "initializer_range": 0.09, "bos_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 2,
}  # fmt: skip


def make_tokenizer():
    """A byte-level BPE that covers every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [
        "the quick brown fox jumps over the lazy dog ",
        "import numpy as np\nfor i in range(10):\n    print(i)\n",
        "quantization of large language models with small group sizes ",
    ]
    tokenizer.train_from_iterator([text * 3 for text in texts], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    return fast


def make_weights(model_type, folder, changes, mxfp4):
    """Saves random bfloat16 weights under the authors' names, a tokenizer and the config."""
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        sys.exit(f"transformers {transformers.__version__} has no language model {model_type}")
    text_type = LANGUAGE_MODELS.get(model_type, model_type)
    known = AutoConfig.for_model(text_type)
    others = known.attribute_map or {}
    sizes = {key: SIZES[key] for key in SIZES if hasattr(known, key) and key not in others}
    unknown = [key for key in changes if not hasattr(known, key)]
    if unknown:
        sys.exit(f"{type(known).__name__} has no {', '.join(unknown)}")
    torch.manual_seed(1234)
    config = AutoConfig.for_model(text_type, **(sizes | changes))
    model = random_model(config)
    model.save_pretrained(folder)
    if text_type != model_type:
        wrap(model, model_type, folder)
    if getattr(config, "num_nextn_predict_layers", 0) > 0:
        add_prediction_layers(config, folder)
    make_tokenizer().save_pretrained(folder)
    write_published_config(folder)
    if mxfp4:
        code_experts(folder)


def wrap(model, model_type, folder):
    """Writes a language model as the one of a vision-language model, without a tower."""
    names = {
        name: name.replace("model.", "model.language_model.", 1) if name.startswith("model.") else name
        for name in model.state_dict()
    }
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    tensors = {
        names[name]: tensor.contiguous()
        for name, tensor in model.state_dict().items()
        if name not in tied
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    path = folder / "config.json"
    text = json.loads(path.read_text())
    version = text.pop("transformers_version")
    kind = text.pop("architectures")[0].replace("ForCausalLM", "ForConditionalGeneration")
    outer = {
        "architectures": [kind],
        "model_type": model_type,
        "text_config": text,
        "tie_word_embeddings": text["tie_word_embeddings"],
        "transformers_version": version,
    }
    path.write_text(json.dumps(outer, indent=2))


def random_model(config):
    """A bfloat16 model without any parameter that transformers starts at 0 or 1."""
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        # What transformers starts at 0 or 1 would hide a missing bias or norm.
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if "norm" in name and name.endswith("weight"):
                is_minus_one = not tensor.any()
                tensor.add_(torch.randn_like(tensor) * 0.1)
                # mlx-lm adds 1 to these in bfloat16: only such values lose nothing.
                if is_minus_one:
                    tensor.mul_(128).round_().div_(128)
            elif name.endswith("gate_up_proj_bias"):
                tensor.normal_(0, 4)  # so that gpt-oss's clamps are reached
            elif name.endswith("bias"):
                tensor.normal_(0, 0.05)
            elif name.endswith("sinks"):
                tensor.normal_(0, 1)
    return model.to(torch.bfloat16)


def add_prediction_layers(config, folder):
    """Adds `mtp.*` of a nemotron_h. transformers neither makes nor reads these tensors."""
    kinds = config.mtp_layers_block_type
    changed = config.to_dict() | {"layers_block_type": kinds, "num_nextn_predict_layers": 0}
    fields = {key: value for key, value in changed.items() if key not in ("model_type", "layer_types")}
    with tempfile.TemporaryDirectory() as scratch:
        random_model(AutoConfig.for_model(config.model_type, **fields)).save_pretrained(scratch)
        blocks = load_file(Path(scratch) / "model.safetensors")
    path, first, last = folder / "model.safetensors", "mtp.layers.0", f"mtp.layers.{len(kinds) - 1}"
    tensors = load_file(path) | {
        name.replace("backbone.", "mtp.", 1): tensor
        for name, tensor in blocks.items()
        if name.startswith("backbone.layers.")
    }
    for name in [f"{first}.enorm", f"{first}.hnorm", f"{last}.final_layernorm"]:
        tensors[f"{name}.weight"] = 1 + 0.1 * torch.randn(config.hidden_size)
    tensors[f"{first}.eh_proj.weight"] = 0.09 * torch.randn(config.hidden_size, 2 * config.hidden_size)
    kept = {name: tensor.to(torch.bfloat16) if name.startswith("mtp.") and "correction" not in name
            else tensor for name, tensor in tensors.items()}
    save_file(kept, path, metadata={"format": "pt"})


def write_published_config(folder):
    """Renames the config of transformers 5 and writes one with the keys of transformers 4."""
    path = folder / "config.json"
    text = path.read_text()
    (folder / "config.transformers5.json.txt").write_text(text)
    config = json.loads(text)
    if "text_config" in config:
        # The authors write this one with the keys of transformers 5, and with a distance.
        config["transformers_version"] = "4.55.4"
        kinds = config["text_config"]["layer_types"]
        config["text_config"]["full_attention_interval"] = kinds.index("full_attention") + 1
        path.write_text(json.dumps(config, indent=2))
        return
    rope = config.pop("rope_parameters", None) or {}
    config["transformers_version"] = "4.55.4"
    if "rope_theta" in rope:
        config["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    # A gpt_oss without a rope has its class's default, which is yarn.
    if rope.get("rope_type", "default") != "default" or config["model_type"] == "gpt_oss":
        config["rope_scaling"] = rope
    if config["model_type"] == "qwen3_next":
        # The authors give the distance between layers of full attention.
        kinds = config.pop("layer_types")
        config["full_attention_interval"] = kinds.index("full_attention") + 1
    config["torch_dtype"] = config.pop("dtype")
    if config["model_type"] == "nemotron_h":
        letters = {"linear_attention": "M", "full_attention": "*", "moe": "E", "mlp": "-"}
        for ours, theirs in [("layers", "hybrid"), ("mtp_layers", "mtp_hybrid")]:
            kinds = config.pop(f"{ours}_block_type")
            config[f"{theirs}_override_pattern"] = "".join(letters[kind] for kind in kinds)
        config["num_hidden_layers"] = len(config["hybrid_override_pattern"])
        config["time_step_limit"] = [0.0, float("inf")]
    if config["model_type"] == "qwen3_moe" and "num_experts" not in config:
        config["num_experts"] = config.pop("num_local_experts")
    path.write_text(json.dumps(config, indent=2))


class InDouble(TorchFunctionMode):
    """Takes float64 wherever a model asks for float32, as norms and recurrences do."""

    def __torch_function__(self, function, types, arguments=(), options=None):
        arguments, options = tree_map(
            lambda value: torch.float64 if value is torch.float32 else value, (arguments, options or {})
        )
        function = torch.Tensor.double if function is torch.Tensor.float else function
        return function(*arguments, **options)


def reference_logits(folder, ids, changes, double):
    """Float32 logits `[tokens, vocabulary]` of the checkpoint under a changed config."""
    # Keys that transformers derives from others must be derived anew.
    base = json.loads((folder / "config.json").read_text())
    base = base.get("text_config", base)
    base = base | {k: v for k, v in (base.pop("rope_parameters", None) or {}).items() if k != "rope_type"}
    is_derived = "layer_types" not in changes and base["model_type"] != "gpt_oss"
    derived = ["layer_types"] if is_derived else []
    fields = {key: value for key, value in base.items() if key not in derived} | changes
    if "quantization_config" in fields:
        fields["quantization_config"] |= {"dequantize": True}
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    # Grouped products of experts exist in float32 only.
    kinds = {"attn_implementation": "eager"} | ({"experts_implementation": "eager"} if double else {})
    model = AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, **kinds
    ).eval()
    for parameter in model.parameters():
        parameter.data = parameter.data.float()
    with torch.no_grad(), InDouble() if double else contextlib.nullcontext():
        logits = (model.double() if double else model)(torch.tensor([ids])).logits[0]
    return logits.numpy().astype(np.float32)


def main():
    transformers.utils.logging.disable_progress_bar()
    model_type, folder, request = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    if not (folder / "model.safetensors").exists():
        make_weights(model_type, folder, request["config"], request["mxfp4"])
    elif request["config"]:
        sys.exit(f"{folder} has weights, so --set would change nothing: delete the folder first")
    ids = [(7 * i * i + 3 * i + 5) % VOCABULARY for i in range(32)]
    plain = reference_logits(folder, ids, {}, request["double"])
    if not (folder / "ref_logits_f32_torch.npy").exists():
        (folder / "ref_ids.json").write_text(json.dumps(ids))
        np.save(folder / "ref_logits_f32_torch.npy", plain)
    for name, changes in request["variants"].items():
        logits = reference_logits(folder, ids, changes, request["double"])
        change = float(np.linalg.norm(logits - plain) / np.linalg.norm(plain))
        if change < 1e-3:
            sys.exit(f"variant {name} changes the logits by {change:.1e}: it would prove nothing")
        np.save(folder / f"ref_logits_f32_torch.{name}.npy", logits)
    if request["variants"]:
        path = folder / "variants.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | request["variants"], indent=2) + "\n")
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        print(f"{name} {list(tensor.shape)}")
    print(f"{folder}: {sum(tensor.numel() for tensor in tensors.values())} parameters")


main()
