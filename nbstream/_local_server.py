"""The child process of `local.py`: llama.cpp's own OpenAI-compatible server, on loopback.

It reads one JSON line from stdin (the arguments of `_params`), so that the key never
stands on a command line; it writes one JSON line to stdout (`url`) once the model
answers; then it serves until the process that started it is gone.

It is run as a file, by path, and imports nothing of the package.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

import xllamacpp

# Tokens of context: all that SmolLM2 was trained for. It costs 23 KB of memory a token there.
CONTEXT = 8192
# Requests answered side by side; more wait for their turn. All share one context.
PARALLEL = 4
# Seconds between two looks at whether the parent is still there.
PARENT_CHECK = 0.5


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is meant for a cell
    parent = os.getppid()
    config = json.loads(sys.stdin.readline())
    _end_with_pipe()
    ready = _private_stdout()
    server = xllamacpp.Server(_params(**config))
    # llama.cpp set handlers of its own, which end its loop but not this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(BrokenPipeError):  # a parent that is gone already is noticed below
        os.write(ready, json.dumps({"url": server.listening_address}).encode() + b"\n")
    os.close(ready)
    _silence()
    _wait_for_end_of(parent)
    os._exit(0)  # nothing to save; llama.cpp's own way out waits, at times for ever


def _params(
    *,
    path: str,
    model: str,
    api_key: str,
    sampling: dict[str, float],
    max_tokens: int | None,
    chat_template: str,
) -> Any:
    """llama.cpp's settings; the last three hold for requests that do not say otherwise.

    An empty `chat_template` means the model's own.
    """
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = {model}
    params.api_keys = [api_key]
    params.port = 0  # the system chooses one that is free
    params.n_ctx = CONTEXT
    params.n_parallel = PARALLEL
    params.kv_unified = True
    params.use_jinja = True  # without it, a template sees no tools
    params.chat_template = chat_template
    params.n_predict = -1 if max_tokens is None else max_tokens
    params.cache_ram_mib = 0  # no second cache of prompts, which grows to gigabytes
    params.ui = False  # an API, and no web page
    # Reading a prompt takes every core; writing the answer leaves half of them to the kernel
    # and the page that show it, and is slower with more where those are busy.
    params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
    for name, value in sampling.items():
        setattr(params.sampling, name, value)
    return params


def _end_with_pipe() -> None:
    """Have the system end this process when the parent's end of stdin closes.

    While llama.cpp loads a model it holds Python's lock, so that no thread of ours can see
    to it. Only Linux does this; elsewhere the process ends when the model is loaded.
    """
    if sys.platform == "linux":
        import fcntl
        import select

        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)  # SIGIO, which ends a process
        if select.select([0], [], [], 0)[0]:  # closed before that was set: nothing else comes
            os._exit(0)


def _private_stdout() -> int:
    """A descriptor of what was stdout; whatever prints from here on goes to stderr."""
    private = os.dup(1)
    os.dup2(2, 1)
    return private


def _silence() -> None:
    """Drop all further output: the log matters only while the start can fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)


def _wait_for_end_of(parent: int) -> None:
    """Return when the parent closes the pipe, or is gone while a fork of it holds the pipe open."""
    closed = threading.Event()

    def read_to_end() -> None:
        sys.stdin.read()
        closed.set()

    threading.Thread(target=read_to_end, daemon=True).start()
    while not closed.wait(PARENT_CHECK) and os.getppid() == parent:
        pass


if __name__ == "__main__":
    main()
