# SPDX-License-Identifier: Apache-2.0
"""The built-in runtime beside llama.cpp on the same files, in alternating runs, with the machine's own limits.

  scripts/bench runtime                                   TinyLlama's shapes in all formats with a bar, 1 and all threads
  scripts/bench runtime --formats q8_0,q4_k_m --threads 2 --rounds 5
  scripts/bench runtime --models llama-3-8b --cases 512:128,2048:16,4096:32

Writes reports/bench/runtime.md. Each round runs ours, then llama.cpp, each in a process of its own, so that a
disturbance hits both. The ratio is the median over the rounds' pairs; its interval is the whole range of the pairs,
which holds the true median with a probability of 1 − 2 / 2^rounds. Needs gguf, numpy and llama-cpp-python.
"""
import argparse
import os
import pathlib
import statistics
import sys
import tempfile

import rival
import synthetic_gguf

FORMATS = "f16,bf16,q8_0,q4_0,q4_k_m,iq4_nl,q5_k_m,q6_k,q3_k,q2_k"


def arguments(words):
    parser = argparse.ArgumentParser(
        prog="scripts/bench runtime", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--models", default="tinyllama-1.1b", help=", ".join(synthetic_gguf.SHAPES))
    parser.add_argument("--formats", default=FORMATS, help="separated by commas")
    parser.add_argument("--threads", default=",".join(str(n) for n in sorted({1, cores})))
    parser.add_argument("--cases", default="512:128", help="prompt:generated tokens, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernels", help="of ours: a set by name (default: the best)")
    parser.add_argument("--files", type=pathlib.Path, help="folder to keep the files in (default: none is kept)")
    parser.add_argument("--no-build", dest="build", action="store_false")
    parser.add_argument("--output", type=pathlib.Path, help="folder of the report")
    options = parser.parse_args(words)
    options.models, options.formats = options.models.split(","), options.formats.split(",")
    options.threads = [int(text) for text in options.threads.split(",")]
    options.cases = [tuple(int(part) for part in case.split(":")) for case in options.cases.split(",")]
    return options


def ours(run, path, prompt, generate, threads, kernels):
    """Tokens per second of both phases, and the largest resident set in bytes."""
    answer = run.anprobe(
        "measure", str(path), "--full", "--prompt", str(prompt), "--generate", str(generate), "--context",
        str(prompt + generate), "--samples", "1", "--threads", str(threads),
        *(["--kernels", kernels] if kernels else []), "--json")
    rates = {phase: answer[phase]["tokensPerSecond"]["median"] for phase in ("prefill", "decode")}
    return rates | {"peak": answer["peakResidentBytes"]["value"]}


def read_rates(run):
    """Bytes per second that this machine reads, by threads, measured now."""
    calibration = run.anprobe("probe", "--calibrate", "--json")["profile"]["calibration"]
    return {
        rate["threads"]: max(rate["perSecond"], rate["high"])
        for rate in calibration["rates"] if rate["operation"] == "read"
    }


def weight_bytes(path):
    """Bytes that a generated token reads: all tensors but an embedding that is only looked up."""
    import gguf

    tensors = gguf.GGUFReader(str(path)).tensors
    has_head = any(tensor.name == "output.weight" for tensor in tensors)
    return sum(int(t.n_bytes) for t in tensors if not (has_head and t.name == "token_embd.weight"))


def spread(pairs):
    """Median, least and most of the ratios of pairs."""
    ratios = sorted(mine / other for mine, other in pairs)
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def compare(run, label, path, case, threads, options, limits):
    prompt, generate = case
    mine, theirs = [], []
    for _ in range(options.rounds):
        mine.append(ours(run, path, prompt, generate, threads, options.kernels))
        theirs.append(rival.measure(path, prompt, generate, threads))
    rows = []
    for phase in ("prefill", "decode"):
        us, them = ([rates[phase] for rates in side] for side in (mine, theirs))
        of_limit = "–"
        if phase == "decode" and threads in limits:
            of_limit = f"{statistics.median(us) * weight_bytes(path) / limits[threads] * 100:.0f} %"
        tokens = prompt if phase == "prefill" else generate
        rows.append(
            (label, threads, f"{phase}, {tokens} at {0 if phase == 'prefill' else prompt}",
             f"{statistics.median(us):.2f}", f"{statistics.median(them):.2f}", spread(list(zip(us, them))), of_limit))
    peaks = [max(rates["peak"] for rates in side) for side in (mine, theirs)]
    rows.append(
        (label, threads, "peak resident, MiB", *(f"{peak / 2**20:.0f}" for peak in peaks),
         f"{peaks[0] / peaks[1]:.2f}", "–"))
    return rows


def sections(run, table, options):
    limits = read_rates(run)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            for name in options.formats:
                path = (options.files or pathlib.Path(folder)) / f"{model}-{name}.gguf"
                if not path.exists():
                    print("Writing", path, file=sys.stderr)
                    synthetic_gguf.write(path, name, model)
                for threads in options.threads:
                    for case in options.cases:
                        rows += compare(run, f"{model} {name}", path, case, threads, options, limits)
                if not options.files:
                    path.unlink()
    read = "; ".join(f"{count} thread(s) {rate / 1e9:.1f} GB/s" for count, rate in sorted(limits.items()))
    yield (
        f"## Limits\n\nReads of cold memory, the best of the calibration's samples: {read}. Load before: "
        + " ".join(f"{value:.2f}" for value in os.getloadavg()) + ".")
    yield (
        f"## Beside llama.cpp\n\nMedians of {options.rounds} alternating rounds in tokens per second; the ratio is the median "
        f"of the rounds' pairs and their whole range; llama.cpp by {rival.version()}; files of random weights. The last "
        "column is the weights' bytes per second over the read limit of so many threads.")
    head = ("file", "threads", "what", "anprobe", "llama.cpp", "ratio", "of read limit")
    yield table(head, rows)
