# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's speed on a file, in a process of its own, through llama-cpp-python."""
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import time


def is_installed():
    return importlib.util.find_spec("llama_cpp") is not None


def version():
    return f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')}" if is_installed() else "nothing"


def measure(path, prompt, generate, threads):
    """Tokens per second of `prefill` and `decode`, after a warm-up of each; the `peak` resident set in bytes."""
    command = [sys.executable, __file__, str(path), str(prompt), str(generate), str(threads)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"llama.cpp cannot run '{path}': {result.stderr.strip().splitlines()[-1:]}")
    return json.loads(result.stdout)


def _peak_resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def _run(path, prompt, generate, threads):
    import llama_cpp

    llm = llama_cpp.Llama(
        model_path=path, n_ctx=prompt + generate, n_batch=prompt, n_ubatch=min(prompt, 512), n_threads=threads,
        n_threads_batch=threads, use_mmap=False, verbose=False, n_gpu_layers=0)
    ids = [1 + index % (llm.n_vocab() - 1) for index in range(prompt)]

    def timed(work):
        start = time.perf_counter()
        work()
        llama_cpp.llama_synchronize(llm.ctx)
        return time.perf_counter() - start

    def decode():
        for index in range(generate):
            llm.eval([ids[index % prompt]])

    rates = {}
    for counts in (False, True):
        llm.reset()
        rates["prefill"] = prompt / timed(lambda: llm.eval(ids))
        rates["decode"] = generate / timed(decode)
        if counts:
            rates["peak"] = _peak_resident()
            print(json.dumps(rates))


if __name__ == "__main__":
    _run(sys.argv[1], *(int(text) for text in sys.argv[2:]))
