# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file of random weights in TinyLlama-1.1B's shapes, every matrix in one format. Needs gguf and numpy.

  python3 scripts/benchmark/synthetic_gguf.py OUT.gguf q8_0
"""
import sys

import gguf
import numpy

VOCABULARY, HIDDEN, LAYERS, HEADS, KEY_HEADS, WIDTH = 32_000, 2048, 22, 32, 4, 5632
TYPES = {
    name: getattr(gguf.GGMLQuantizationType, name.upper())
    for name in ("f32", "f16", "bf16", "q8_0", "q4_0")
}


def write(path, name, layers=LAYERS):
    """Formats that gguf quantises itself: f32, f16, bf16, q8_0, q4_0."""
    if name not in TYPES:
        sys.exit(f"'{name}' is none of {', '.join(TYPES)}")
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_vocab_size(VOCABULARY)
    writer.add_context_length(2048)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    _vocabulary(writer)
    random = numpy.random.default_rng(1)
    for tensor, shape in _shapes(layers):
        if len(shape) == 1:
            writer.add_tensor(tensor, numpy.ones(shape, dtype=numpy.float32))
        else:
            values = random.standard_normal(shape, dtype=numpy.float32) * numpy.float32(shape[1] ** -0.5)
            writer.add_tensor(tensor, gguf.quants.quantize(values, TYPES[name]), raw_dtype=TYPES[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _vocabulary(writer):
    """SentencePiece with one byte token each and words that nobody writes: enough to load."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [f"▁w{index}" for index in range(VOCABULARY - len(tokens))]
    kinds = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    kinds += [gguf.TokenType.NORMAL] * (VOCABULARY - len(kinds))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 3 + [-float(index) for index in range(VOCABULARY - 3)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def _shapes(layers):
    """Rows and columns as in the file's matrices: outputs, inputs."""
    yield "token_embd.weight", (VOCABULARY, HIDDEN)
    keys = KEY_HEADS * HIDDEN // HEADS
    for layer in range(layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", (HIDDEN,)
        yield block + "attn_q.weight", (HIDDEN, HIDDEN)
        yield block + "attn_k.weight", (keys, HIDDEN)
        yield block + "attn_v.weight", (keys, HIDDEN)
        yield block + "attn_output.weight", (HIDDEN, HIDDEN)
        yield block + "ffn_norm.weight", (HIDDEN,)
        yield block + "ffn_gate.weight", (WIDTH, HIDDEN)
        yield block + "ffn_up.weight", (WIDTH, HIDDEN)
        yield block + "ffn_down.weight", (HIDDEN, WIDTH)
    yield "output_norm.weight", (HIDDEN,)
    yield "output.weight", (VOCABULARY, HIDDEN)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2])
