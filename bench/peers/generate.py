"""Greedy text of MLX repositories of one base, by mlx-lm as `mlx_lm.generate` does it:
    generate.py <PROMPTS.json> <tokens> <repository> ...
PROMPTS.json: a list of texts. Each is the only message of a chat, by the repository's chat template
where it has one. All compute in float32: bf16 activations would change close choices too, and MLX
has no experts in bf16 on a CPU. Prints one JSON line per repository: name, and for each prompt the
token ids and the text, without the token that ends it."""
import json
import sys
from pathlib import Path

import mlx.core as mx
from mlx_lm import load, stream_generate


def continue_prompt(model, tokenizer, prompt, most):
    if tokenizer.has_chat_template:
        chat = [{"role": "user", "content": prompt}]
        prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    ids = tokenizer.encode(prompt, add_special_tokens=not tokenizer.has_chat_template)
    tokens = []
    # Without a sampler the most likely token is taken, as with `--temp 0`.
    for answer in stream_generate(model, tokenizer, ids, max_tokens=most):
        if answer.token not in tokenizer.eos_token_ids:
            tokens.append(answer.token)
    return {"ids": tokens, "text": tokenizer.decode(tokens)}


def main():
    prompts, most, *repositories = sys.argv[1:]
    texts = json.loads(Path(prompts).read_text())
    for repository in repositories:
        model, tokenizer = load(repository)
        model.set_dtype(mx.float32)  # scales, biases, norms; the codes are integers
        answers = [continue_prompt(model, tokenizer, text, int(most)) for text in texts]
        print(json.dumps({"name": Path(repository).name, "answers": answers}), flush=True)


main()
