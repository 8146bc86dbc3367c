"""The model server of the whole-path benchmark: a process of its own.

Each argument `NAME:TOKENS:RATE` is a model; whatever a client asks it, its answer is the
scripted one, of so many tokens at so many a second (0: as fast as they are taken). Prints
the base URL and serves until its standard input closes.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import corpus

_TESTS = Path(__file__).parents[1] / "tests"


@dataclass(frozen=True)
class Answer:
    """A model of the server and what it says: `tokens`, and how many a second (0: all)."""

    model: str
    tokens: int
    rate: float = 0.0


@contextlib.contextmanager
def serving(*answers: Answer) -> Iterator[str]:
    """A server of these answers; gives its base URL."""
    arguments = [f"{answer.model}:{answer.tokens}:{answer.rate}" for answer in answers]
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(10)


def main() -> None:
    sys.path.insert(0, str(_TESTS))
    from replay import ReplayServer, completion, encode

    replies = {}
    for argument in sys.argv[1:]:
        model, tokens, rate = argument.split(":")
        pace = 1 / float(rate) if float(rate) else 0.0
        reply = completion(corpus.answer(int(tokens)), model=model, pace=pace)
        # Encoded beforehand: the server must not be what the clients wait for.
        replies[model] = replace(reply, body=[encode(step) or step for step in reply.body])
    with ReplayServer() as server:
        server.models = tuple(replies)
        server.fallback = lambda request: replies[request.json["model"]]
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
