"""The public surface, pinned: a name that comes or goes is a decision."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys

import pytest

import nbstream
from nbstream import errors
from nbstream.buffers import TextBuffer
from nbstream.messages import Message, ToolCall, ToolResult, Usage
from nbstream.response import Response, Timing
from nbstream.rounds import CallDraft, Round

NAMES = {
    "Chat",
    "ChatPanel",
    "Message",
    "Response",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Usage",
    "errors",
    "last",
    "load_ipython_extension",
    "mcp",
    "tool",
    "unload_ipython_extension",
}
ERRORS = {
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "IncompleteError",
    "Interrupted",
    "LocalModelError",
    "NbstreamError",
    "NotFoundError",
    "RateLimitError",
    "SchemaError",
    "ServerError",
    "UsageError",
}
FIELDS = {
    "text",
    "reasoning",
    "refusal",
    "tool_calls",
    "usage",
    "model",
    "finish_reason",
    "status",
    "error",
    "messages",
    "timing",
    "code_blocks",
    "tables",
    "json",
    "to_dict",
    "from_dict",
    "done",
    "wait",
    "cancel",
}


def test_the_names_are_these():
    assert set(nbstream.__all__) == NAMES
    assert all(hasattr(nbstream, name) for name in NAMES)
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert {name for name in classes if not name.startswith("_")} - {"Any"} == ERRORS
    assert set(dir(Response())) >= FIELDS


def test_what_is_public_is_explained():
    for name in NAMES - {"errors"}:
        assert inspect.getdoc(getattr(nbstream, name)), name
    for name in ERRORS:
        assert inspect.getdoc(getattr(errors, name)), name


def test_the_import_is_light():
    code = "import sys, nbstream; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"openai", "anywidget", "pygments", "IPython", "ipywidgets", "nh3"} & set(loaded)


@pytest.fixture
def response():
    """A response with something in every field."""
    response = Response([Message("user", "Hi")], model="m")
    first = Round(model="m-1", id="c1", usage=Usage(1, 2, 3, 0, 1), finish_reason="tool_calls")
    first.reasoning.append("hm")
    first.calls.append(CallDraft("call_1", "f", TextBuffer('{"x": 1}'), {"signature": "s"}))
    first.calls[0].result = ToolResult("3 rows", seconds=0.5, value=object())
    first.echo["reasoning_details"] = [{"type": "reasoning.text", "text": "hm"}]
    last = Round(model="m-1", usage=Usage(10, 20, 30), finish_reason="stop", done=True)
    last.text.append("See:\n\n```json\n[1, 2]\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    last.extra["annotations"] = [{"url": "https://example.com"}]
    response.rounds += [first, last]
    response.finish("complete", None, Timing(0.1, 2.0, 15.0))
    return response


def test_a_response_over_two_rounds(response):
    assert response.text.startswith("See:")
    assert response.usage == Usage(11, 22, 33, 0, 1)
    assert [m.role for m in response.messages] == ["user", "assistant", "tool", "assistant"]
    assert response.messages[1].to_api()["tool_calls"][0]["signature"] == "s"
    assert response.messages[1].to_api()["reasoning_details"]
    assert response.tool_calls[0].value is not None
    assert [(b.language, b.text) for b in response.code_blocks] == [("json", "[1, 2]\n")]
    assert response.tables[0].rows == [["1", "2"]]
    assert response.json() == [1, 2]
    assert repr(response).count("\n") == 0


def test_the_record_restores_the_response(response):
    copy = Response.from_dict(response.to_dict())
    assert copy == response
    assert copy.messages == response.messages
    assert copy.timing == response.timing
    assert pickle.loads(pickle.dumps(response)) == response
    copy.rounds[-1].text.append("!")
    assert copy != response


def test_an_error_survives_the_record():
    response = Response(model="m")
    error = errors.RateLimitError("slow down", status_code=429, code="rate")
    response.finish("error", error, Timing())
    copy = pickle.loads(pickle.dumps(response))
    assert type(copy.error) is errors.RateLimitError
    assert (str(copy.error), copy.error.status_code, copy.error.code) == ("slow down", 429, "rate")
    assert copy == response


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Install:\n```\npip install x\n```\nResult:\n```json\n{"a": 1}\n```', {"a": 1}),
        ("Result:\n```\n[1]\n```\nand\n```python\nx\n```", [1]),
    ],
)
def test_json_among_other_code(text, value):
    response = Response()
    response.rounds.append(Round(text=TextBuffer(text)))
    assert response.json() == value


def test_json_that_is_none_says_so(response):
    response.rounds[-1].text = TextBuffer("no json here")
    with pytest.raises(ValueError, match="Expecting value"):
        response.json()


def test_a_record_of_another_version_is_refused(response):
    with pytest.raises(ValueError, match="version"):
        Response.from_dict({**response.to_dict(), "version": 99})


def test_values_are_frozen():
    with pytest.raises(AttributeError):
        ToolCall("1", "f").name = "g"


def test_a_copy_of_what_runs_is_incomplete():
    response = Response([Message("user", "Hi")], model="m")
    response.rounds.append(Round(text=TextBuffer("Half an")))
    copies = [
        Response.from_dict(response.to_dict()),
        pickle.loads(pickle.dumps(response)),
        copy.deepcopy(response),
    ]
    for each in copies:
        assert (each.status, each.text, each.done) == ("incomplete", "Half an", True)
        assert isinstance(each.error, errors.IncompleteError)
        assert each.wait(1)
    assert response.status == "running"
