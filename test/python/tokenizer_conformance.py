"""Token ids of Rust's tokenizers: one JSON line a text, for the texts of a JSON list on stdin and the tokenizer.json of the argument."""

import json
import sys

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1])
for text in json.load(sys.stdin):
    print(json.dumps(tokenizer.encode(text, add_special_tokens=False).ids))
