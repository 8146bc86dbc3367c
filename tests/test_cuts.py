"""Recorded streams, cut at every byte: what came is kept and marked, and no half call is run.

The recordings are not part of the project (see `conftest.shared`).
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from long import LONG
from recordings import calls_of, reasoning_of, text_of
from replay import ReplayServer, Reply, Request, completion, cut

from nbstream import errors
from nbstream.driver import Question, Run, start
from nbstream.messages import Message
from nbstream.render.saved import bundle
from nbstream.request import Options
from nbstream.response import Response
from nbstream.tools.tool import Tool
from nbstream.views.protocol import NullView

AT_ONCE = 16
EVERY = 1 if LONG else 24  # bytes between two cuts, where not every byte is cut

STREAMS = {
    "vercel_mistral-incremental-tool-call.sse": "a tool call in pieces",
    "vercel_xai-text.sse": "reasoning before the answer",
    "chatlas_test_cloudflare_respects_turns_interface__1.sse": "an answer",
}
FRAMINGS = {
    "chunked": ("chunked", False, 1),
    "Content-Length": ("length", False, EVERY),
    "close-delimited": ("close", False, EVERY),
    "chunked, reset": ("chunked", True, EVERY),
    "Content-Length, reset": ("length", True, EVERY),
}


@dataclass
class Recording:
    """What a stream says, by an independent reading.

    Attributes:
        body: its bytes.
        end: how many of them say that the answer is over.
    """

    body: bytes

    def __post_init__(self) -> None:
        ended = re.search(rb'"finish_reason": ?"[^\n]*|data: ?\[DONE\]', self.body)
        assert ended
        self.end = ended.end()
        self.text, self.reasoning = text_of(self.body), reasoning_of(self.body)
        self.calls = calls_of(self.body, 0)

    def lines_before(self, at: int) -> bytes:
        return self.body[: self.body.rfind(b"\n", 0, at) + 1]


class Cutter:
    """Serves one recording, cut where the request's `seed` says; its calls are counted."""

    def __init__(self, recording: Recording, framing: str, *, reset: bool) -> None:
        self.asked: Counter[int] = Counter()
        self.called: list[dict[str, Any]] = []
        self._recording = recording
        self._reset = reset
        self._whole = Reply([recording.body], framing=framing)
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        at = request.json["seed"]
        with self._lock:
            self.asked[at] += 1
        if request.json["messages"][-1]["role"] == "tool":
            return completion("done")
        return cut(self._whole, at, reset=self._reset)

    def tools(self) -> tuple[Tool, ...]:
        return tuple(
            Tool(call["name"], "", {"type": "object"}, self._bind) for call in self._recording.calls
        )

    def _bind(self, arguments: Mapping[str, Any]) -> Callable[[], str]:
        def call() -> str:
            with self._lock:
                self.called.append(dict(arguments))
            return "found"

        return call


def begin(server: ReplayServer, cutter: Cutter, at: int) -> Run:
    prompt = Message("user", "Hello?")
    options = Options(
        model="m",
        base_url=server.base_url,
        params={"seed": at},
        tools=cutter.tools(),
        max_retries=0,  # one that is sent again would count as two
    )
    return start(Question((prompt,), options), Response([prompt], model="m"), [NullView()])


def answers(
    server: ReplayServer, cutter: Cutter, cuts: Iterable[int]
) -> Iterator[tuple[int, Response]]:
    """The response to a stream cut at each of these bytes; some are asked for at once."""
    running: deque[tuple[int, Run]] = deque()
    for at in cuts:
        running.append((at, begin(server, cutter, at)))
        if len(running) == AT_ONCE:
            first, run = running.popleft()
            yield first, run.wait()
    for at, run in running:
        yield at, run.wait()


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", STREAMS, ids=STREAMS.values())
def test_what_came_is_kept_and_marked(replay, shared, name, framing):
    recording = Recording((shared / "streams" / name).read_bytes())
    how, reset, every = FRAMINGS[framing]
    cutter = Cutter(recording, how, reset=reset)
    replay.fallback = cutter
    cuts = [*range(0, len(recording.body), every), len(recording.body)]
    seen: Counter[str] = Counter()
    for at, response in answers(replay, cutter, cuts):
        is_whole = response.status == "complete"
        if is_whole or not reset:  # a reset may overtake what was sent before it
            assert is_whole == (at >= recording.end), (at, response.error)
        rounds = 2 if is_whole and recording.calls else 1
        assert cutter.asked[at] == rounds, at
        if not is_whole:
            assert_cut(response, recording, at, reset=reset)
        seen[response.status] += 1
    assert cutter.called == [json.loads(c["arguments"]) for c in recording.calls] * seen["complete"]
    assert seen["error"]
    assert seen["incomplete"]
    assert reset or seen["complete"]
    print(f"{len(cuts)} cuts of {len(recording.body)} bytes: {dict(seen)}")


def assert_cut(response: Response, recording: Recording, at: int, *, reset: bool) -> None:
    """A part: of the right words, as far as they came, and marked in all that is kept."""
    assert isinstance(response.error, (errors.IncompleteError, errors.APIConnectionError))
    assert "\n" not in str(response.error)
    lines = recording.lines_before(0 if reset else at)
    for kept, whole, least in (
        (response.text, recording.text, text_of(lines)),
        (response.reasoning, recording.reasoning, reasoning_of(lines)),
    ):
        assert whole.startswith(kept), at
        assert kept.startswith(least), at
    has_output = bool(response.text or response.reasoning or response.tool_calls)
    assert response.status == ("incomplete" if has_output else "error"), at
    assert all(call.result is None for call in response.tool_calls)
    if at % 16 == 0:
        saved = bundle(response)
        assert response.ending in saved["text/plain"]
        assert Response.from_dict(saved["application/vnd.nbstream.response+json"]) == response
