# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file of random weights in a known model's shapes. Needs gguf and numpy.

  python3 scripts/benchmark/synthetic_gguf.py OUT.gguf q8_0
  python3 scripts/benchmark/synthetic_gguf.py OUT.gguf q4_k_m qwen2.5-0.5b
"""
import dataclasses
import sys

import gguf
import numpy


@dataclasses.dataclass(frozen=True)
class Shape:
    """Of a llama; a tied model has no output.weight."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    key_heads: int
    feed_forward: int
    is_tied: bool = False


SHAPES = {
    "tinyllama-1.1b": Shape(32_000, 2048, 22, 32, 4, 5632),
    "qwen2.5-0.5b": Shape(151_936, 896, 24, 14, 2, 4864, is_tied=True),
    "llama-3-8b": Shape(128_256, 4096, 32, 32, 8, 14_336),
}

# Where the half-precision scales and minima of a block stand, and the largest code that each multiplies.
SCALES = {
    "q8_0": {0: 127}, "q4_0": {0: 8}, "q4_1": {0: 8, 2: -1}, "q5_0": {0: 16}, "q5_1": {0: 16, 2: -1},
    "iq4_nl": {0: 127}, "iq4_xs": {0: 4096}, "q2_k": {80: 24, 82: 16}, "q3_k": {108: 128}, "q4_k": {0: 512, 2: 64},
    "q5_k": {0: 1024, 2: 64}, "q6_k": {208: 4096}, "iq1_s": {0: 17}, "iq2_xxs": {0: 167}, "iq2_xs": {0: 167},
    "iq2_s": {0: 167}, "iq3_xxs": {0: 480}, "iq3_s": {0: 465}, "tq1_0": {52: 1}, "tq2_0": {64: 1},
}
FLOATS = ("f32", "f16", "bf16")
# Mixtures: the format of most matrices, and the one of half of the values and feed-forward outputs and of the head.
MIXTURES = {"q4_k_m": ("q4_k", "q6_k"), "q5_k_m": ("q5_k", "q6_k")}


def _type(name):
    return getattr(gguf.GGMLQuantizationType, name.upper())


def _format(mixture, tensor, layer, layers):
    if mixture not in MIXTURES:
        return mixture
    few, many = MIXTURES[mixture]
    # More bits in the first and last eighth of the layers and in every third between.
    is_special = layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2
    wants_more = tensor == "output.weight" or is_special and tensor.endswith(("attn_v.weight", "ffn_down.weight"))
    return many if wants_more else few


def _matrix(random, name, rows, columns):
    """Rows of valid blocks of random codes, with magnitudes near 1 / sqrt(columns)."""
    if name in FLOATS:
        values = random.standard_normal((rows, columns), dtype=numpy.float32) * numpy.float32(columns**-0.5)
        return gguf.quants.quantize(values, _type(name))
    elements, size = gguf.GGML_QUANT_SIZES[_type(name)]
    blocks = random.integers(0, 256, (rows * columns // elements, size), dtype=numpy.uint8)
    for offset, code in SCALES[name].items():
        half = numpy.float16(columns**-0.5 / code)
        blocks[:, offset : offset + 2] = numpy.frombuffer(half.tobytes(), dtype=numpy.uint8)
    return blocks.reshape(rows, columns // elements * size)


def write(path, name, model="tinyllama-1.1b"):
    """One of the formats above or of the mixtures."""
    if name not in FLOATS and name not in SCALES and name not in MIXTURES:
        sys.exit(f"'{name}' is none of {', '.join([*FLOATS, *SCALES, *MIXTURES])}")
    shape = SHAPES[model]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(8192)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    _vocabulary(writer, shape.vocabulary)
    random = numpy.random.default_rng(1)
    for tensor, layer, dimensions in _tensors(shape):
        if len(dimensions) == 1:
            writer.add_tensor(tensor, numpy.ones(dimensions, dtype=numpy.float32))
        else:
            kind = _format(name, tensor, layer, shape.layers)
            writer.add_tensor(tensor, _matrix(random, kind, *dimensions), raw_dtype=_type(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _vocabulary(writer, count):
    """SentencePiece with one byte token each and words that nobody writes: enough to load."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [f"▁w{index}" for index in range(count - len(tokens))]
    kinds = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    kinds += [gguf.TokenType.NORMAL] * (count - len(kinds))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 3 + [-float(index) for index in range(count - 3)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def _tensors(shape):
    """Names, layers, rows and columns as in the file's matrices: outputs, inputs."""
    hidden, wide = shape.hidden, shape.feed_forward
    yield "token_embd.weight", -1, (shape.vocabulary, hidden)
    keys = shape.key_heads * hidden // shape.heads
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", layer, (hidden,)
        yield block + "attn_q.weight", layer, (hidden, hidden)
        yield block + "attn_k.weight", layer, (keys, hidden)
        yield block + "attn_v.weight", layer, (keys, hidden)
        yield block + "attn_output.weight", layer, (hidden, hidden)
        yield block + "ffn_norm.weight", layer, (hidden,)
        yield block + "ffn_gate.weight", layer, (wide, hidden)
        yield block + "ffn_up.weight", layer, (wide, hidden)
        yield block + "ffn_down.weight", layer, (hidden, wide)
    yield "output_norm.weight", -1, (hidden,)
    if not shape.is_tied:
        yield "output.weight", -1, (shape.vocabulary, hidden)


if __name__ == "__main__":
    write(*sys.argv[1:])
