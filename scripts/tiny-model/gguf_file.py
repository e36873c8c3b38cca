# SPDX-License-Identifier: Apache-2.0
"""Writes the tiny model as a GGUF file: matrices in half precision, norms in single."""
import json
import os

import gguf
import numpy as np


def write(path, weights, words, shape):
    partial = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(str(partial), "llama")
    add_description(writer)
    add_shape(writer, shape)
    add_vocabulary(writer, words)
    for name, weight in weights.items():
        writer.add_tensor(name, weight.astype(np.float16 if weight.ndim == 2 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, path)


def add_description(writer):
    writer.add_name("Anprobe Books 7M")
    writer.add_description("Tiny English model for tests of compression; trained on public-domain books")
    writer.add_license("apache-2.0")
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def add_shape(writer, shape):
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["inner"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_key_length(shape["head_width"])
    writer.add_value_length(shape["head_width"])
    writer.add_rope_dimension_count(shape["head_width"])
    writer.add_rope_freq_base(shape["rope_base"])
    writer.add_layer_norm_rms_eps(shape["epsilon"])


def add_vocabulary(writer, words):
    model = json.loads(words.to_str())["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda entry: entry[1])]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if index == 0 else normal for index in range(len(tokens))])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
