# SPDX-License-Identifier: Apache-2.0
"""How the cost grows with threads, context and batch: the built-in runtime measured beside its own estimate.

  scripts/bench scaling                                     TinyLlama in q4_0 and f16, contexts 0 to 8192, 1 to all threads
  scripts/bench scaling --model llama-3-8b --variants q4_k_m --contexts 0,4096 --batches 1

Writes reports/bench/scaling.md. Each row measures the decode of 16 tokens behind so many cached ones; the estimate is
that of the same workload from a calibration with the row's threads, whose rates for the variant are sampled by turns
with its runs (`anprobe validate`).
"""
import argparse
import os
import pathlib
import statistics

GENERATED = 16
# Beyond this the report says that the model does not follow.
FOLLOWS = 0.08


def arguments(words):
    parser = argparse.ArgumentParser(
        prog="scripts/bench scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    counts = sorted({count for count in (1, 2, 4, 8, 16, 32, 64) if count < cores} | {cores})
    parser.add_argument("--model", default="tinyllama-1.1b")
    parser.add_argument("--variants", default="q4_0,f16", help="separated by commas")
    parser.add_argument("--threads", default=",".join(map(str, counts)))
    parser.add_argument("--contexts", default="0,1024,4096,8192", help="cached tokens before the first generated one")
    parser.add_argument("--batches", default="1,2,4,8,16", help="sequences that decode together")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--no-build", dest="build", action="store_false")
    parser.add_argument("--output", type=pathlib.Path, help="folder of the report")
    options = parser.parse_args(words)
    options.variants = options.variants.split(",")
    for name in ("threads", "contexts", "batches"):
        setattr(options, name, [int(text) for text in getattr(options, name).split(",")])
    return options


def workload(context):
    """The options of a workload of so many cached tokens; the least prompt is one token."""
    prompt = max(1, context)
    return ["--prompt", str(prompt), "--generate", str(GENERATED), "--context", str(prompt + GENERATED)]


def compared(run, options, variant, threads, context, batch):
    """Measured and estimated tokens per second by phase, the kernels' rates sampled by turns with the runs."""
    answer = run.anprobe(
        "validate", options.model, "--variant", variant, *workload(context), "--threads", str(threads), "--samples",
        str(options.samples), *(["--batch", str(batch)] if batch > 1 else []), "--tolerance", "1000", "--json")
    rows = {row["quantity"]: row for row in answer["rows"]}
    return [{phase: rows.get(phase, {}).get(key) for phase in ("prefill", "decode")} for key in ("measured", "estimate")]


def error(estimate, measurement):
    return None if estimate is None else estimate / measurement - 1


def cell(value):
    return "unknown" if value is None else f"{value:.2f}"


def row(run, options, variant, threads, context, batch, first):
    mine, model = compared(run, options, variant, threads, context, batch)
    first.setdefault((variant, batch), mine["decode"])
    errors = {phase: error(model[phase], mine[phase]) for phase in mine}
    cells = [variant, threads, context, batch]
    for phase in ("decode", "prefill"):
        if phase == "prefill" and (context < 32 or batch > 1):
            cells += ["–"] * 3
            continue
        off = errors[phase]
        cells += [f"{mine[phase]:.2f}", cell(model[phase]), "–" if off is None else f"{off * 100:+.1f} %"]
    cells.append(f"{mine['decode'] / first[variant, batch]:.2f}")
    return cells, errors["decode"]


def sections(run, table, options, binary):
    rows, errors, first = [], [], {}
    for threads in options.threads:
        run.anprobe("probe", "--calibrate", "--threads", str(threads), "--json")
        for variant in options.variants:
            for context in options.contexts:
                for batch in options.batches if context == options.contexts[0] else options.batches[:1]:
                    cells, off = row(run, options, variant, threads, context, batch, first)
                    rows.append(cells)
                    errors += [abs(off)] if off is not None else []
    head = (
        "variant", "threads", "cached", "batch", "decode t/s", "estimate", "error", "prefill t/s", "estimate", "error",
        "decode of the first row")
    verdict = (
        f"The estimates of decode are off by {statistics.median(errors) * 100:.1f} % in the median and "
        f"{max(errors) * 100:.1f} % at most; {sum(off > FOLLOWS for off in errors)} of {len(errors)} by more than "
        f"{FOLLOWS * 100:.0f} %." if errors else "There is no estimate to compare with.")
    yield (
        f"## Scaling\n\n{options.model}, {GENERATED} tokens behind so many cached ones, the rate of {options.samples} samples together, all "
        f"sequences' tokens together; estimates from rates sampled by turns with the runs, with the same threads. {verdict}\n\n"
        + table(head, rows))
