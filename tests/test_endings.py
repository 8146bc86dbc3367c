"""How answers end: one word a state, wherever it is told."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from nbstream.buffers import TextBuffer
from nbstream.endings import ENDINGS
from nbstream.errors import IncompleteError, Interrupted, ServerError
from nbstream.messages import ToolCall, ToolResult
from nbstream.render.saved import bundle
from nbstream.render.summary import call_line, mark, plain_summary, usage_line
from nbstream.response import Response, Timing
from nbstream.rounds import CallDraft, Round
from nbstream.views.terminal import TerminalView
from nbstream.views.widget import ending

DOCUMENT = Path(__file__).parents[1] / "docs" / "endings.md"


def answer(status="complete", error=None, **turn):
    response = Response(model="m")
    turn = {"text": TextBuffer("Half"), "finish_reason": "stop"} | turn
    response.rounds = [Round(**turn)]
    if status != "running":
        response.finish(status, error, Timing())
    return response


NOTHING = TextBuffer("")
CALL = {"calls": [CallDraft("1", "f", arguments=TextBuffer('{"a"'))], "text": NOTHING}
ANSWERS = [
    answer(),
    answer("cancelled", Interrupted("x"), finish_reason=None),
    answer("cancelled", Interrupted("x"), finish_reason=None, **CALL),
    answer("cancelled", Interrupted("x"), finish_reason=None, text=NOTHING),
    answer(finish_reason="length"),
    answer(finish_reason="length", **CALL),
    answer(finish_reason="content_filter"),
    answer("incomplete", IncompleteError("the stream broke off · run it again")),
    answer("error", ServerError("Server error (500): api.example.com. Try again.")),
    answer(text=NOTHING, refusal=TextBuffer("I will not.")),
    answer(text=NOTHING),
    answer(text=NOTHING, reasoning=TextBuffer("Hm.")),
    answer(finish_reason="tool_calls", calls=[CallDraft("1", "f", arguments=TextBuffer("{}"))]),
    answer(finish_reason="insufficient_system_resource"),
]


def test_every_word_has_an_answer():
    assert {response.ending for response in (*ANSWERS, answer("running"))} == set(ENDINGS)


@pytest.mark.parametrize("response", ANSWERS, ids=lambda each: each.ending or "whole")
def test_the_same_word_everywhere(response):
    word = response.ending
    line = mark(response)
    assert row_of(response) in DOCUMENT.read_text().splitlines()
    assert repr(response).startswith(f"<Response {word or 'complete'}: ")
    said = line if word == "ended" else word  # with the reason
    assert usage_line(response) == (f"m · {said}" if said else "m")
    assert plain_summary(response).startswith(f"[{word}] " if word else "Half · m")
    assert ["Ended", word or "complete"] in [list(row) for row in ending(response)["rows"]]
    for text in (bundle(response)["text/markdown"], *ending(response).values(), written(response)):
        assert "cancelled" not in str(text)
    if line is not None and word != "failed":  # a failure says itself what it is
        assert line.lower().startswith(word)


def row_of(response):
    """The row of the document's table."""
    word, line = response.ending, mark(response) or ""
    return f"| {word} | {ENDINGS[word]} | `{response.status}` | {line} |"


def written(response):
    """What a terminal shows."""
    stream = io.StringIO()
    view = TerminalView(stream)
    view.open(response)
    view.close(response)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (ToolResult("The user rejected this call.", status="rejected"), "f() → rejected"),
        (ToolResult("…", status="rejected", summary="not there"), "f() → rejected: not there"),
        (ToolResult("stopped: the user stopped it", status="stopped"), "f() → stopped"),
        (ToolResult("no such city", status="failed"), "f() → failed: no such city"),
        (ToolResult("3"), "f() → 3"),
    ],
)
def test_how_calls_end(result, line):
    assert call_line(ToolCall("1", "f", "{}", result=result)) == line
    assert ToolResult.from_dict(result.to_dict()) == result


def test_results_of_earlier_records_are_read():
    old = {"content": "no", "is_error": True, "seconds": None}
    assert ToolResult.from_dict(old).status == "failed"
    assert ToolResult.from_dict({**old, "is_error": False}).status == "completed"
