#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the tiny model of the tests: llama architecture, every matrix row a multiple of 256, English books.

Usage: train.py --train books_train.txt --valid books_valid.txt --folder work/ --minutes 60

The schedule is one of wall time, so that a run ends annealed however fast the machine is. Killed, the same command
resumes from folder/state.pt. folder/tiny.gguf (f16) is written every few minutes and at the end.
"""
import argparse
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import gguf_file
import vocabulary

WIDTH, INNER, LAYERS, HEADS, KV_HEADS, HEAD_WIDTH = 256, 768, 8, 4, 2, 64
VOCABULARY, CONTEXT, EPSILON, ROPE_BASE = 2048, 512, 1e-5, 10000.0


class RMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return F.rms_norm(x, (WIDTH,), self.weight, EPSILON)


def rotated(x, cosine, sine):
    """Rotates neighbouring pairs, the order that GGUF files of this architecture have. x: [B, H, T, HEAD_WIDTH]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1)
    return pairs.flatten(-2).to(x.dtype)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm, self.ffn_norm = RMSNorm(), RMSNorm()
        self.attn_q = nn.Linear(WIDTH, HEADS * HEAD_WIDTH, bias=False)
        self.attn_k = nn.Linear(WIDTH, KV_HEADS * HEAD_WIDTH, bias=False)
        self.attn_v = nn.Linear(WIDTH, KV_HEADS * HEAD_WIDTH, bias=False)
        self.attn_output = nn.Linear(HEADS * HEAD_WIDTH, WIDTH, bias=False)
        self.ffn_gate = nn.Linear(WIDTH, INNER, bias=False)
        self.ffn_up = nn.Linear(WIDTH, INNER, bias=False)
        self.ffn_down = nn.Linear(INNER, WIDTH, bias=False)

    def heads(self, x, count):
        return x.unflatten(-1, (count, HEAD_WIDTH)).transpose(1, 2)

    def forward(self, x, cosine, sine):
        n = self.attn_norm(x)
        q = rotated(self.heads(self.attn_q(n), HEADS), cosine, sine)
        k = rotated(self.heads(self.attn_k(n), KV_HEADS), cosine, sine)
        v = self.heads(self.attn_v(n), KV_HEADS)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.attn_output(mixed.transpose(1, 2).flatten(-2))
        n = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(n)) * self.ffn_up(n))


class TinyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embd = nn.Embedding(VOCABULARY, WIDTH)
        self.blk = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.output_norm = RMSNorm()
        angles = torch.outer(
            torch.arange(CONTEXT).float(), ROPE_BASE ** (-torch.arange(0, HEAD_WIDTH, 2).float() / HEAD_WIDTH))
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                last = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, tokens):
        x = self.token_embd(tokens)
        cosine, sine = self.cosine[: tokens.shape[1]], self.sine[: tokens.shape[1]]
        for layer in self.blk:
            x = layer(x, cosine, sine)
        return F.linear(self.output_norm(x), self.token_embd.weight)

    def loss(self, windows):
        logits = self(windows[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), windows[:, 1:].flatten())


def windows_of(tokens, epoch):
    """The text cut into windows at an epoch's own offset, in an epoch's own order. [N, CONTEXT + 1]"""
    order = np.random.default_rng(epoch)
    shift = int(order.integers(CONTEXT))
    count = (len(tokens) - 1 - shift) // CONTEXT
    starts = shift + CONTEXT * order.permutation(count)
    return torch.from_numpy(np.stack([tokens[s : s + CONTEXT + 1] for s in starts]).astype(np.int64))


@torch.no_grad()
def perplexity(model, tokens, windows):
    cut = [tokens[s : s + CONTEXT + 1] for s in range(0, len(tokens) - CONTEXT, CONTEXT)][:windows]
    batch = torch.from_numpy(np.stack(cut).astype(np.int64))
    return math.exp(sum(model.loss(part).item() * len(part) for part in batch.split(4)) / len(batch))


def optimizer_of(model, rate):
    matrices = [w for w in model.parameters() if w.dim() == 2]
    vectors = [w for w in model.parameters() if w.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), fused=True)


def rate_at(done, peak):
    """Linear warm-up over the first hundredth of the time, then cosine to a fiftieth of the peak."""
    if done < 0.01:
        return peak * max(done, 0.0005) / 0.01
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=pathlib.Path, required=True)
    parser.add_argument("--valid", type=pathlib.Path, required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def save(options, model, optimizer, progress):
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), **progress}
    partial = options.folder / "state.partial"
    torch.save(state, partial)
    partial.replace(options.folder / "state.pt")


def resumed(options, model, optimizer):
    path = options.folder / "state.pt"
    if not path.exists():
        return {"step": 0, "epoch": 0, "window": 0, "seconds": 0.0}
    state = torch.load(path)
    model.load_state_dict(state.pop("model"))
    optimizer.load_state_dict(state.pop("optimizer"))
    return state


def publish(options, model, words, valid, progress):
    score = perplexity(model, valid, 10**9)
    weights = {name: w.detach().numpy() for name, w in model.named_parameters()}
    shape = dict(width=WIDTH, inner=INNER, layers=LAYERS, heads=HEADS, kv_heads=KV_HEADS, head_width=HEAD_WIDTH,
                 context=CONTEXT, epsilon=EPSILON, rope_base=ROPE_BASE)
    gguf_file.write(options.folder / "tiny.gguf", weights, words, shape)
    print(f"validation perplexity {score:.3f} after {progress['step']} steps, {progress['epoch']} epochs", flush=True)


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    words = vocabulary.trained(options.train, options.folder / "vocabulary.json", VOCABULARY)
    train, valid = (vocabulary.encoded(words, path) for path in (options.train, options.valid))
    model = TinyModel()
    optimizer = optimizer_of(model, options.rate)
    progress = resumed(options, model, optimizer)
    print(f"{sum(w.numel() for w in model.parameters())} weights, {len(train)} + {len(valid)} tokens", flush=True)
    total, started, before = options.minutes * 60, time.monotonic(), progress["seconds"]
    said = kept = published = time.monotonic()
    windows = windows_of(train, progress["epoch"])
    while progress["seconds"] < total:
        batch = windows[progress["window"] : progress["window"] + options.batch]
        for group in optimizer.param_groups:
            group["lr"] = rate_at(progress["seconds"] / total, options.rate)
        loss = model.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        now = time.monotonic()
        progress["step"] += 1
        progress["window"] += options.batch
        progress["seconds"] = before + now - started
        if progress["window"] + options.batch > len(windows):
            progress["epoch"], progress["window"] = progress["epoch"] + 1, 0
            windows = windows_of(train, progress["epoch"])
        if now - said > 20:
            said = now
            print(f"{progress['seconds'] / 60:.1f} min, step {progress['step']}, epoch {progress['epoch']}, "
                  f"loss {loss.item():.3f}", flush=True)
        if now - kept > 180:
            kept = now
            save(options, model, optimizer, progress)
        if now - published > 480:
            published = now
            publish(options, model, words, valid, progress)
    save(options, model, optimizer, progress)
    publish(options, model, words, valid, progress)


if __name__ == "__main__":
    main()
