# SPDX-License-Identifier: Apache-2.0
"""Rounds of a comparison, kept in a folder: one JSON file per model, format, threads and case, that later runs add to."""
import dataclasses
import json
import math
import pathlib
import statistics


@dataclasses.dataclass(frozen=True)
class Case:
    """So many prompt tokens, then so many generated; or `load`, the time from a start to the first token."""

    prompt: int
    generated: int
    is_load: bool = False

    @classmethod
    def parse(cls, text):
        return cls(1, 1, True) if text == "load" else cls(*(int(part) for part in text.split(":")))

    def __str__(self):
        return "load" if self.is_load else f"{self.prompt}-{self.generated}"


@dataclasses.dataclass(frozen=True)
class Part:
    """What one file of rounds is about; kernels are ours, by name, or 'best', on weights repacked or as mapped, beside
    the installed build of llama.cpp or one with a name."""

    model: str
    format: str
    threads: int
    case: Case
    kernels: str
    mapped: bool = False
    beside: str = ""

    def path(self, folder):
        suffix = ("-mapped" if self.mapped else "") + (f"-beside-{self.beside}" if self.beside else "")
        return folder / f"{self.model}-{self.format}-{self.threads}t-{self.case}-{self.kernels}{suffix}.json"


class Folder:
    """A round is {"ours": {...}, "theirs": {...}}: tokens or seconds, and the peak resident bytes."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    def read(self, part):
        path = part.path(self.path)
        return json.loads(path.read_text()) if path.exists() else {**_description(part), "rounds": []}

    def add(self, part, round_, **facts):
        record = self.read(part) | facts
        record["rounds"].append(round_)
        part.path(self.path).write_text(json.dumps(record, indent=1) + "\n")

    def limits(self):
        """Bytes per second that the machine reads, by threads; the best of all measurements so far."""
        path = self.path / "limits.json"
        return {int(n): rate for n, rate in json.loads(path.read_text()).items()} if path.exists() else {}

    def raise_limits(self, rates):
        best = self.limits()
        for threads, rate in rates.items():
            best[threads] = max(rate, best.get(threads, 0))
        (self.path / "limits.json").write_text(json.dumps(best) + "\n")

    def records(self):
        """All that was measured, in the order of names."""
        for path in sorted(self.path.glob("*.json")):
            if path.name != "limits.json":
                yield json.loads(path.read_text())


def _description(part):
    return {
        "model": part.model, "format": part.format, "threads": part.threads, "case": str(part.case),
        "kernels": part.kernels, "mapped": part.mapped, "beside": part.beside}


def interval(values):
    """Least and most of the middle values that hold the true median with a probability of at least 0.9, or of all.

    The k-th least and k-th most of n hold it with 1 - 2 P(X < k), X binomial of n throws (Conover, Practical
    Nonparametric Statistics, section 3.2).
    """
    ordered, n, k = sorted(values), len(values), 1
    while 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n <= 0.1:
        k += 1
    return ordered[k - 1], ordered[n - k]


def spread(ratios):
    low, high = interval(ratios)
    return f"{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
