"""The short lines about an answer."""

from __future__ import annotations

import pytest

from nbstream.buffers import TextBuffer
from nbstream.errors import IncompleteError, Interrupted, ServerError
from nbstream.messages import ToolCall, ToolResult, Usage
from nbstream.render.summary import (
    call_line,
    mark,
    plain_summary,
    reasoning_line,
    usage_line,
    usage_rows,
)
from nbstream.response import Response, Timing
from nbstream.rounds import CallDraft, Round


def answer(text="Berlin.", status="complete", error=None, timing=None, **round_fields) -> Response:
    response = Response(model="asked-for")
    turn = Round(text=TextBuffer(text), model="gpt-5", **round_fields)
    response.rounds = [turn]
    if status != "running":
        response.finish(status, error, timing or Timing())
    return response


def finished(**round_fields) -> Response:
    usage = Usage(1234, 567, 1801, 1000, 64)
    return answer(
        usage=usage, finish_reason="stop", timing=Timing(0.42, 12.34, 52.4), **round_fields
    )


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (None, "Reasoning"),
        (0.042, "Reasoning · 0.04 s"),
        (3.21, "Reasoning · 3.2 s"),
        (12.3, "Reasoning · 12 s"),
        (59.7, "Reasoning · 1 min 0 s"),
        (3725, "Reasoning · 62 min 5 s"),
    ],
)
def test_reasoning(seconds, line):
    assert reasoning_line(Round(reasoning_seconds=seconds)) == line


@pytest.mark.parametrize(
    ("arguments", "result", "line"),
    [
        ('{"city": "Berlin"}', None, 'f("Berlin")'),
        ("{}", ToolResult("42", seconds=0.2), "f() → 42 · 0.2 s"),
        ('{"a": 1, "b": [true, "é"]}', ToolResult("x"), 'f(a=1, b=[true, "é"]) → x'),
        ('{"a": 1', ToolResult("no JSON", status="failed"), 'f({"a": 1) → failed: no JSON'),
        ("[1, 2]", ToolResult("a\nb\n\nc\n"), "f([1, 2]) → 4 lines"),
        ("{}", ToolResult(" \n"), "f() → nothing"),
    ],
)
def test_calls(arguments, result, line):
    assert call_line(ToolCall("1", "f", arguments, result=result)) == line


def test_a_call_is_one_short_line_whatever_was_written():
    arguments = '{"' + "k" * 500 + '": "' + "v" * 500 + '", "b": "\\u202e\\n\x1b"}'
    result = ToolResult("r" * 10_000, seconds=1)
    call = ToolCall("1", "\u202en\na\x00me" * 100, arguments, result=result)
    line = call_line(call)
    assert len(line) < 200
    assert line.isprintable()
    assert "…" in line


def test_arguments_that_nest_deeply():
    call = ToolCall("1", "f", "[" * 100_000)
    assert call_line(call).startswith("f([[[")


def test_a_whole_answer_has_no_mark():
    assert mark(finished()) is None
    assert mark(answer(finish_reason="tool_calls", text="")) is not None
    assert mark(answer(status="running")) is None


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (answer(finish_reason="length"), ("token limit", "%chat continue")),
        (answer(finish_reason="content_filter"), ("content filter", "run it again")),
        (answer(status="cancelled", error=Interrupted("x")), ("Stopped", "%chat continue")),
        (
            answer(status="incomplete", error=IncompleteError("it broke off · run it again")),
            ("Incomplete: it broke off · run it again",),
        ),
        (
            answer(status="error", error=ServerError("it failed · try again")),
            ("it failed · try again",),
        ),
        (answer(status="error"), ("no reason given",)),
        (answer(text=" ", finish_reason="stop"), ("no text",)),
        (
            answer(calls=[CallDraft("1", "f")], finish_reason="tool_calls"),
            ("Tools not run", "%chat continue"),
        ),
    ],
)
def test_marks(response, words):
    line = mark(response)
    assert all(word in line for word in words)
    assert "\n" not in line


def test_a_refusal_or_another_choice_is_no_empty_answer():
    assert mark(answer(text="", refusal=TextBuffer("no"), finish_reason="stop")) is None
    other = {1: Round(text=TextBuffer("b"))}
    assert mark(answer(text="", alternatives=other, finish_reason="stop")) is None


def test_the_error_is_shortened():
    line = mark(answer(status="error", error=ServerError("<html>\n" + "x" * 10_000)))
    assert len(line) < 500
    assert line.isprintable()


def test_usage():
    assert usage_line(finished()) == (
        "gpt-5 · 1,234 in · 567 out · 0.4 s to first token · 52 tokens/s"
    )
    assert usage_line(answer()) == "gpt-5"
    assert usage_line(Response()) == "unknown model · running"
    assert usage_line(answer(status="cancelled", usage=Usage(prompt_tokens=3))) == (
        "gpt-5 · 3 in · ? out · stopped"
    )


def test_usage_in_full():
    assert usage_rows(finished()) == [
        ("Model", "gpt-5"),
        ("Prompt tokens", "1,234"),
        ("Completion tokens", "567"),
        ("Cached tokens", "1,000"),
        ("Reasoning tokens", "64"),
        ("Time to first token", "0.4 s"),
        ("Duration", "12 s"),
        ("Tokens per second", "52"),
        ("Finish reason", "stop"),
        ("Ended", "complete"),
    ]
    assert usage_rows(Response()) == [("Ended", "running")]


def test_zero_is_known():
    rows = dict(usage_rows(answer(usage=Usage(5, 0, 5, 0, 0))))
    assert rows["Completion tokens"] == rows["Cached tokens"] == "0"


def test_the_summary_is_one_line():
    assert plain_summary(finished()) == f"Berlin. · {usage_line(finished())}"
    assert plain_summary(answer(status="cancelled")).startswith("[stopped] Berlin. · gpt-5")
    assert plain_summary(Response()) == "[running] (no text) · unknown model · running"
    long = plain_summary(answer(text="a\nb\x1b[31m " * 10_000))
    assert len(long) < 200
    assert long.isprintable()
