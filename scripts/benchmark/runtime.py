# SPDX-License-Identifier: Apache-2.0
"""The built-in runtime beside llama.cpp on the same files, in alternating runs, with the machine's own limits.

  scripts/bench runtime                                   TinyLlama's shapes in all formats with a bar, 1 and all threads
  scripts/bench runtime --formats q8_0,q4_k_m --threads 2 --rounds 5
  scripts/bench runtime --models llama-3-8b --cases 512:128,1:128,2048:16,4096:32,load

In pieces, each ended after so many seconds; the next call goes on where the last one stopped, and 3 is the exit code
while rounds are missing:

  scripts/bench runtime --parts rounds --seconds 120 --formats q8_0 --threads 1
  scripts/bench runtime --parts rounds --merge            one table of all that lies in the folder

Writes reports/bench/runtime.md. Each round runs ours, then llama.cpp, each in a process of its own, so that a
disturbance hits both. The ratio is the median over the rounds' pairs, with an interval that holds the true median with
a probability of at least 90 %. Needs gguf, numpy and llama-cpp-python. Where the processor has AMX the latter wants
CC=clang CXX=clang++ (and libomp): GCC 12 leaves out most of its configuration of tiles, and it stops at an illegal
instruction.
"""
import argparse
import itertools
import os
import pathlib
import statistics
import sys
import tempfile
import time

import parts
import rival
import synthetic_gguf

FORMATS = "f16,bf16,q8_0,q4_0,q4_k_m,iq4_nl,q5_k_m,q6_k,q3_k,q2_k"
EXIT_MISSING = 3
# Fewer tokens are no prompt to compare, but where decoding begins.
LEAST_PROMPT = 32


def build(text):
    name, _, folder = text.partition("=")
    if not name or not (pathlib.Path(folder) / "llama_cpp").is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' is no NAME=FOLDER with llama_cpp in the folder")
    return name, pathlib.Path(folder).resolve()


def arguments(words):
    parser = argparse.ArgumentParser(
        prog="scripts/bench runtime", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--models", default="tinyllama-1.1b", help=", ".join(synthetic_gguf.SHAPES))
    parser.add_argument("--formats", default=FORMATS, help="separated by commas")
    parser.add_argument("--threads", default=",".join(str(n) for n in sorted({1, cores})))
    parser.add_argument("--cases", default="512:128", help="prompt:generated tokens, or load; separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernels", default="best", help="of ours: a set by name")
    parser.add_argument("--mapped", action="store_true", help="ours multiplies by the mapped file, not a repacked copy")
    parser.add_argument("--beside", metavar="NAME=FOLDER", type=build, default=("", None),
                        help="another build of llama-cpp-python, made by pip install --target FOLDER")
    parser.add_argument("--files", type=pathlib.Path, help="folder to keep the files in (default: none is kept)")
    parser.add_argument("--parts", type=pathlib.Path, help="folder to keep the rounds in and to go on from")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no round after so long")
    parser.add_argument("--limits", action="store_true", help="measure the read limits again (default: once)")
    parser.add_argument("--merge", action="store_true", help="measure nothing: write the table of the folder of --parts")
    parser.add_argument("--no-build", dest="build", action="store_false")
    parser.add_argument("--output", type=pathlib.Path, help="folder of the report")
    options = parser.parse_args(words)
    if options.beside[1]:
        rival.use(options.beside[1])
    options.models, options.formats = options.models.split(","), options.formats.split(",")
    options.threads = [int(text) for text in options.threads.split(",")]
    options.cases = [parts.Case.parse(text) for text in options.cases.split(",")]
    return options


def ours(run, part, path):
    kernels = [] if part.kernels == "best" else ["--kernels", part.kernels]
    layout = ["--no-repack"] if part.mapped else []
    common = ["--threads", str(part.threads), *kernels, *layout, "--json"]
    if part.case.is_load:
        return {"load": rival.second(lambda: timed(
            lambda: run.anprobe("generate", str(path), "--prompt", "", "--tokens", "1", "--context", "64", *common)))}
    answer = run.anprobe(
        "measure", str(path), "--full", "--prompt", str(part.case.prompt), "--generate", str(part.case.generated),
        "--context", str(part.case.prompt + part.case.generated), "--samples", "1", "--profile", *common)
    rates = {phase: answer[phase]["tokensPerSecond"]["median"] for phase in ("prefill", "decode")}
    profile = answer["profile"]
    operations = sum(operator["operationsPerToken"] or 0 for operator in profile["prefill"]["operators"])
    return rates | {
        "peak": answer["peakResidentBytes"]["value"], "promptOperations": operations, "limits": profile["limits"],
        "cacheBytes": sum(o["bytesPerToken"] for o in profile["decode"]["operators"] if o["operator"] == "attention"),
        "stages": {phase: profile[phase]["stageSecondsPerToken"] for phase in ("prefill", "decode")}}


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def theirs(part, path):
    if part.case.is_load:
        return rival.load(path, part.threads)
    return rival.measure(path, part.case.prompt, part.case.generated, part.threads)


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


def warm(path):
    """Reads a file through, so that it lies in the page cache where there is room."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def measure(run, options, folder, files):
    """Adds rounds until all have as many as asked for; false when the time was over before."""
    deadline = time.monotonic() + options.seconds
    if options.limits or not folder.limits():
        folder.raise_limits(read_rates(run))
    for model, name in itertools.product(options.models, options.formats):
        wanted = [
            parts.Part(model, name, threads, case, options.kernels, options.mapped, options.beside[0])
            for threads in options.threads for case in options.cases
        ]
        if all(len(folder.read(part)["rounds"]) >= options.rounds for part in wanted):
            continue
        path = files / f"{model}-{name}.gguf"
        if not path.exists():
            print("Writing", path, file=sys.stderr)
            synthetic_gguf.write(path, name, model)
        for part in wanted:
            while len(folder.read(part)["rounds"]) < options.rounds:
                if time.monotonic() > deadline:
                    return False
                if part.case.is_load:
                    warm(path)
                pair = {"ours": ours(run, part, path), "theirs": theirs(part, path), "load": os.getloadavg()[0]}
                folder.add(part, pair, weightBytes=weight_bytes(path), rival=rival.version())
        if not options.files:
            path.unlink()
    return True


def rows_of(record, limits):
    """One row per quantity of a record: rates, seconds or bytes of both sides and their ratio, larger is better."""
    rounds, label = record["rounds"], f"{record['model']} {record['format']}"
    if record["kernels"] != "best":
        label += f" ({record['kernels']})"
    if record.get("mapped"):
        label += ", mapped"
    if record.get("beside"):
        label += f", llama.cpp {record['beside']}"

    def row(what, key, text, ratio, of_limit="–", undisturbed="–", other=None):
        mine, them = ([r[side][k] for r in rounds] for side, k in (("ours", key), ("theirs", other or key)))
        ratios = [ratio(a, b) for a, b in zip(mine, them)]
        return (
            label, record["threads"], what, text(statistics.median(mine)), text(statistics.median(them)),
            parts.spread(ratios), of_limit, undisturbed, len(rounds))

    def more(a, b):
        return a / b

    def less(a, b):
        return b / a

    if record["case"] == "load":
        yield row("start to first token, s; llama.cpp reads", "load", "{:.2f}".format, less, other="read")
        yield row("start to first token, s; llama.cpp maps", "load", "{:.2f}".format, less, other="mapped")
        return
    prompt, generated = map(int, record["case"].split("-"))
    if prompt >= LEAST_PROMPT:
        yield row(
            f"prefill of {prompt}, t/s", "prefill", "{:.2f}".format, more, of_tiles(record), of_tiles_undisturbed(record))
    start = f"at {prompt}" if prompt >= LEAST_PROMPT else "from the start"
    yield row(
        f"decode of {generated} {start}, t/s", "decode", "{:.2f}".format, more, of_reads(record, limits),
        of_reads_undisturbed(record))
    yield row(f"peak resident {start}, MiB", "peak", lambda value: f"{value / 2**20:.0f}", less)


def share(values):
    return f"{statistics.median(values) * 100:.0f} %"


def of_reads(record, limits):
    """The bytes per second that decoding reads over what loads alone read of the same weights between its tokens; of older
    rounds over the best read of the same process."""
    def read(ours):
        known = ours.get("limits", {})
        return (known.get("meanwhile") or {}).get("readBytesPerSecond") or known.get("readBytesPerSecond") or limits.get(record["threads"])

    reads = [(decode_bytes(record, r["ours"]) * r["ours"]["decode"], read(r["ours"])) for r in record["rounds"]]
    return share([own / most for own, most in reads]) if all(most for _, most in reads) else "–"


def decode_bytes(record, ours):
    """What a token reads: the weights, and the cache where the round tells."""
    return record["weightBytes"] + ours.get("cacheBytes", 0)


def of_tiles(record):
    """A prompt's operations per second over what tiles do in registers, measured in the same process."""
    ours = [r["ours"] for r in record["rounds"]]
    peaks = [r.get("limits", {}).get("tileOperationsPerSecond") for r in ours]
    if record["kernels"] not in ("best", "amx") or not all(peaks):
        return "–"
    return share([r["prefill"] * r["promptOperations"] / peak for r, peak in zip(ours, peaks)])


def fastest(record, phase):
    """Seconds per token if each layer took as long as in the round where it took least; None for older rounds."""
    rounds = [r["ours"].get("stages", {}).get(phase) for r in record["rounds"]]
    return sum(map(min, zip(*rounds))) if rounds and all(rounds) else None


def best_limit(record, limit):
    return max(r["ours"].get("limits", {}).get(limit, 0) for r in record["rounds"])


def of_reads_undisturbed(record):
    seconds, read = fastest(record, "decode"), best_limit(record, "readBytesPerSecond")
    return share([decode_bytes(record, record["rounds"][0]["ours"]) / seconds / read]) if seconds and read else "–"


def of_tiles_undisturbed(record):
    seconds, peak = fastest(record, "prefill"), best_limit(record, "tileOperationsPerSecond")
    if record["kernels"] not in ("best", "amx") or not seconds or not peak:
        return "–"
    return share([record["rounds"][0]["ours"]["promptOperations"] / seconds / peak])


def tiles_meanwhile(records):
    """Rows of what tiles did at most between the samples of each round, and what prompts did."""
    for record in records:
        ours = [r["ours"] for r in record["rounds"]]
        rates = [r.get("limits", {}).get("meanwhile") or {} for r in ours]
        hasTiles = all(rate.get("tileOperationsPerSecond") for rate in rates)
        if record["case"] == "load" or record["kernels"] not in ("best", "amx") or not hasTiles:
            continue
        if int(record["case"].split("-")[0]) < LEAST_PROMPT:
            continue
        done = [r["prefill"] * r["promptOperations"] for r in ours]
        registers, loaded = ([rate[key] for rate in rates] for key in ("tileOperationsPerSecond", "loadedTileOperationsPerSecond"))
        yield (
            f"{record['model']} {record['format']}", record["threads"], record["case"].split("-")[0],
            *(f"{statistics.median(values) / 1e12:.2f}" for values in (registers, loaded, done)),
            share([loads / register for loads, register in zip(loaded, registers)]),
            share([own / register for own, register in zip(done, registers)]),
            share([own / loads for own, loads in zip(done, loaded)]), len(ours))


def sections(run, table, options):
    with tempfile.TemporaryDirectory() as temporary:
        folder = parts.Folder(options.parts or pathlib.Path(temporary) / "parts")
        if not options.merge and not measure(run, options, folder, options.files or pathlib.Path(temporary)):
            print("Rounds are missing: call again.", file=sys.stderr)
            sys.exit(EXIT_MISSING)
        limits, records = folder.limits(), list(folder.records())
    read = "; ".join(f"{count} thread(s) {rate / 1e9:.1f} GB/s" for count, rate in sorted(limits.items()))
    loads = [r["load"] for record in records for r in record["rounds"]]
    yield (
        f"## Limits\n\nReads of cold memory, the best sample of all calibrations: {read}. Load average before rounds: "
        f"{min(loads):.2f} to {max(loads):.2f}.")
    yield (
        "## Beside llama.cpp\n\nMedians of alternating rounds; the ratio says how many times faster or smaller ours is: "
        "the median of the rounds' pairs, with an interval that holds the true one with at least 90 %. llama.cpp by "
        f"{', '.join(sorted({record['rival'] for record in records}))}; files of random weights. \"Of the limit\" "
        "is the bytes per second of weights and cache over what loads alone read of the same weights by turns with the tokens (eight times), "
        "and of prompts the operations per second over what AMX tiles do in registers, where they are used, the best of the same process. "
        "Undisturbed is the same share if each layer took as long as in the round where it took least (within a round the "
        "lower quartile of its times), of the highest limit of all rounds, of reads the best of a few tries behind the samples: what other machines on the same host take is in "
        "neither. From a start to the first token: ours "
        "is a whole process with its tokenizer, which repacks weights behind the first token, or uses them as the file is mapped "
        "where the row says so; llama.cpp's counts from the call that loads, once "
        "reading the file into memory, once mapping it; the file lies in the page cache, and each figure is the second of "
        "two loads in a row.")
    head = ("file", "threads", "what", "anprobe", "llama.cpp", "ratio", "of the limit", "undisturbed", "rounds")
    yield table(head, [row for record in records for row in rows_of(record, limits)])
    meanwhile = list(tiles_meanwhile(records))
    if meanwhile:
        yield (
            "## What tiles did meanwhile\n\nTFLOP/s between the samples of each process, all tries together, medians of the "
            "rounds: from registers; with the loads that products need, two tiles of either side for four products, from the "
            "first two caches; and prompts, whose weights are unpacked and whose sums are stored besides. A state of the host "
            "in which another thread runs on the same core costs loads more than products.")
        yield table(
            ("file", "threads", "tokens", "registers", "with loads", "prompts", "loads of registers", "prompts of registers",
             "prompts of loads", "rounds"), meanwhile)
