# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's speed on a file, in a process of its own, through llama-cpp-python."""
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import time


def is_installed():
    return importlib.util.find_spec("llama_cpp") is not None


def use(folder):
    """Another build than the installed one, here and in the processes that measure."""
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)


def version():
    """The package and what its build uses of this processor."""
    if not is_installed():
        return "nothing"
    import llama_cpp

    features = llama_cpp.llama_print_system_info().decode().split("CPU :")[-1].split("|")
    used = [feature.split("=")[0].strip() for feature in features if feature.strip().endswith("= 1")]
    return f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')} ({', '.join(used)})"


def measure(path, prompt, generate, threads):
    """Tokens per second of `prefill` and `decode`, after a warm-up of each; the `peak` resident set in bytes."""
    return _answer("rates", path, threads, prompt, generate)


def load(path, threads):
    """Seconds from the call that loads to the first token's logits: of a file `read` into memory, and `mapped`."""
    return {kind: second(lambda: _answer(kind, path, threads)["seconds"]) for kind in ("read", "mapped")}


def second(work):
    """The second of two results in a row. A virtual machine's host takes back memory that lies idle and gives it again
    page by page: the first load pays for that, whoever is the first."""
    work()
    return work()


def _answer(kind, path, *numbers):
    command = [sys.executable, __file__, kind, str(path), *(str(number) for number in numbers)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"llama.cpp cannot run '{path}': {result.stderr.strip().splitlines()[-1:]}")
    return json.loads(result.stdout)


def _peak_resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def _open(path, threads, context, batch, is_mapped=False):
    import llama_cpp

    return llama_cpp.Llama(
        model_path=path, n_ctx=context, n_batch=batch, n_ubatch=min(batch, 512), n_threads=threads,
        n_threads_batch=threads, use_mmap=is_mapped, verbose=False, n_gpu_layers=0)


def _timed(llm, work):
    import llama_cpp

    start = time.perf_counter()
    work()
    llama_cpp.llama_synchronize(llm.ctx)
    return time.perf_counter() - start


def _rates(path, threads, prompt, generate):
    llm = _open(path, threads, prompt + generate, prompt)
    ids = [1 + index % (llm.n_vocab() - 1) for index in range(prompt)]

    def decode(count):
        for index in range(count):
            llm.eval([ids[index % prompt]])

    # As long a warm-up as ours.
    llm.eval(ids[:32])
    llm.reset()
    rates = {"prefill": prompt / _timed(llm, lambda: llm.eval(ids))}
    rates["decode"] = generate / _timed(llm, lambda: decode(generate))
    return rates | {"peak": _peak_resident()}


def _load(path, threads, is_mapped):
    import llama_cpp  # noqa: F401  its own start is not counted

    start = time.perf_counter()
    llm = _open(path, threads, 64, 64, is_mapped)
    _timed(llm, lambda: llm.eval([1]))
    return {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    kind, path, *numbers = sys.argv[1:]
    numbers = [int(text) for text in numbers]
    print(json.dumps(_rates(path, *numbers) if kind == "rates" else _load(path, *numbers, kind == "mapped")))
