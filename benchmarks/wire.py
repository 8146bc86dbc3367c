"""The wire: bytes to a response, beside `json.loads` alone and beside the SDK's own parts."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import corpus
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from nbstream.rounds import Round
from nbstream.wire.dialects import Dialect
from nbstream.wire.reducer import Reducer
from nbstream.wire.sse import Decoder

__all__ = ["Figures", "measure"]

_ROOT = Path(__file__).parents[1]
_REPEATS = 5


@dataclass(frozen=True)
class Figures:
    """Microseconds an event of the stream, the best of some repeats.

    Attributes:
        title: which streams.
        streams, events: how many there are.
        failed: how many streams the SDK's parts could not read to the end; they are in
            no figure, in the others' neither.
        json: `json.loads` of each event, and nothing else.
        ours: decoder, dialect and reducer.
        parser: the SDK's stream parser alone.
        sdk: the SDK's stream parser and accumulator.
    """

    title: str
    streams: int
    events: int
    failed: int
    json: float
    ours: float
    parser: float
    sdk: float


def measure(*, quick: bool = False) -> list[Figures]:
    """One scripted answer, and the recorded streams where they are at hand."""
    warnings.simplefilter("ignore")  # the SDK's types warn of what providers send
    figures = [_measure("a scripted answer", [_scripted(500 if quick else 4_000)])]
    shared = Path(os.environ.get("NBSTREAM_SHARED", _ROOT.parent / "shared"))
    recorded = [path.read_bytes() for path in sorted(shared.glob("streams/*.sse"))]
    if recorded:
        figures.append(_measure("recorded from providers", recorded[:10] if quick else recorded))
    return figures


def _scripted(tokens: int) -> bytes:
    sys.path.insert(0, str(_ROOT / "tests"))
    from replay import completion, encode

    return b"".join(encode(step) for step in completion(corpus.answer(tokens)).body)


def _measure(title: str, bodies: Sequence[bytes]) -> Figures:
    split = [_events(body) for body in bodies]
    readable = [events for events in split if _is_readable(events)]
    count = sum(map(len, readable))

    def each(read: Callable[[list[bytes]], object]) -> float:
        return min(_seconds(read, readable) for _ in range(_REPEATS)) / count * 1e6

    return Figures(
        title=title,
        streams=len(bodies),
        events=count,
        failed=len(split) - len(readable),
        json=each(_read_json),
        ours=each(_read_ours),
        parser=each(_read_parser),
        sdk=each(_read_sdk),
    )


def _events(body: bytes) -> list[bytes]:
    """The body cut behind each event, as it comes when a model is slower than the network."""
    lines = body.splitlines(keepends=True)
    events = [b""]
    for line in lines:
        events[-1] += line
        if not line.strip():
            events.append(b"")
    return [event for event in events if event.strip()]


def _is_readable(events: list[bytes]) -> bool:
    try:
        _read_sdk(events)
        _read_json(events)
    except Exception:  # noqa: BLE001  # it raises what it raises; that is the finding
        return False
    return True


def _seconds(read: Callable[[list[bytes]], object], streams: Sequence[list[bytes]]) -> float:
    started = time.thread_time()
    for events in streams:
        read(events)
    return time.thread_time() - started


def _read_json(events: list[bytes]) -> None:
    for event in events:
        for line in event.splitlines():
            if line.startswith(b"data: {"):
                json.loads(line[6:])


def _read_ours(events: list[bytes]) -> Round:
    turn = Round()
    decoder, dialect, reducer = Decoder(), Dialect(), Reducer(turn)
    for data in events:
        for chunk in decoder.feed(data):
            for event in dialect.feed(chunk):
                reducer.apply(event, 0.0)
    return turn


def _read_parser(events: list[bytes]) -> None:
    for _ in _sdk_stream(events):
        pass


def _read_sdk(events: list[bytes]) -> Any:
    state: Any = ChatCompletionStreamState()
    for chunk in _sdk_stream(events):
        state.handle_chunk(chunk)
    return state.current_completion_snapshot


_client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1")
# The library under the SDK is httpx or its successor, by the SDK's version.
_http = importlib.import_module(
    next(
        parent.__module__.partition(".")[0]
        for parent in openai.DefaultHttpxClient.__mro__
        if parent.__module__.startswith("httpx")
    )
)


def _sdk_stream(events: list[bytes]) -> Any:
    request = _http.Request("POST", "http://127.0.0.1")
    response = _http.Response(200, content=iter(events), request=request)
    return openai.Stream(cast_to=ChatCompletionChunk, response=response, client=_client)
