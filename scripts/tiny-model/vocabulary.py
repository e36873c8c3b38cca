# SPDX-License-Identifier: Apache-2.0
"""The tiny model's vocabulary: byte-level BPE (GPT-2's splitting), trained on the same text."""
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|endoftext|>"


def trained(text, path, size):
    if path.exists():
        return Tokenizer.from_file(str(path))
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    words.decoder = decoders.ByteLevel()
    words.train([str(text)], trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    words.save(str(path))
    return words


def encoded(words, path):
    """Token ids of a whole text, encoded in parts cut before a line's end: newline runs stay whole."""
    text, ids = path.read_text(encoding="utf-8"), []
    while text:
        cut = text.find("\n", 1_000_000)
        while 0 < cut and text[cut - 1].isspace():
            cut -= 1
        part, text = (text[:cut], text[cut:]) if cut > 0 else (text, "")
        ids.extend(words.encode(part).ids)
    return np.array(ids, dtype=np.uint16)
