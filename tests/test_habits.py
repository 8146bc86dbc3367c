"""What people are used to from other tools, in a real kernel, over real HTTP."""

from __future__ import annotations

import json

import pytest
from replay import completion, error, models, whole

from nbstream import Chat
from nbstream.errors import BadRequestError

RECORD = "application/vnd.nbstream.response+json"
WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "replay-1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello **world**"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


def sent(server):
    return server.requests[-1].json


# --- flags and commands ---------------------------------------------------------------


@pytest.mark.parametrize("cell", ["%%chat --help", "%%chat -h\nHello"])
def test_help_is_shown_and_nothing_asked(nb, server, cell):
    result = nb.run(cell)
    assert not result.error, result.error
    assert "--model MODEL" in result.stdout
    assert "{{ expression }}" in result.stdout
    assert not server.requests


def test_commands_as_flags_and_near_ones(nb):
    assert "%chat status" in nb.run("%chat --help").stdout
    assert "is empty" in nb.run("%chat --reset").stdout
    assert "did you mean %chat models?" in nb.run("%chat list").error
    assert "did you mean %chat history?" in nb.run("%chat histroy").error


def test_no_view_shows_nothing_and_keeps_the_answer(nb, server):
    server.reply(completion("Hello"), error(400, "no"))
    result = nb.run("%%chat --view none --out answer\nHi")
    assert (result.error, result.outputs, result.stdout) == ("", [], "")
    assert nb.value("answer.text, _chat is answer") == "('Hello', True)"
    nb.run("%config ChatMagics.view = 'none'")
    result = nb.run("%%chat\nHi")
    assert "does not accept the request" in result.error
    assert result.outputs == []
    assert "none" in nb.complete("%%chat --view ")


# --- servers that do not stream ---------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "flag"), [("", "--no-stream"), ("%config ChatMagics.stream = False", "")]
)
def test_an_answer_in_one_piece(nb, server, setting, flag):
    server.reply(whole(WHOLE))
    nb.run(setting)
    result = nb.run(f"%%chat {flag}\nHi")
    assert not result.error, result.error
    assert {"stream", "stream_options"}.isdisjoint(sent(server))
    (bundle,) = result.outputs
    assert "Hello **world**" in bundle["text/markdown"]
    assert nb.value("_chat.usage.total_tokens, _chat.finish_reason") == "(10, 'stop')"


def test_a_server_that_refuses_to_stream_leads_to_the_flag(nb, server):
    server.reply(error(400, "Streaming is not supported for this model."))
    said = nb.run("%%chat\nHi").error
    assert said.endswith("--no-stream asks for the answer in one piece (of a Chat: stream=False)")
    server.reply(whole(WHOLE))
    assert not nb.run("%%chat --no-stream\nHi").error


def test_a_chat_asks_for_answers_in_one_piece(replay):
    def refuse_streams(request):
        if request.json.get("stream"):
            return error(400, "Unsupported value: 'stream' does not support true")
        return whole(WHOLE)

    replay.fallback = refuse_streams
    chat = Chat("m", base_url=replay.base_url, view="none", stream=False)
    assert chat.send("Hi").text == "Hello **world**"
    with pytest.raises(BadRequestError, match="stream=False"):
        Chat("m", base_url=replay.base_url, view="none").send("Hi")


def test_calls_in_one_piece_are_run(replay):
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    replay.reply(whole({**WHOLE, "choices": [choice]}), whole(WHOLE))

    def add(a: int) -> int:
        """Add one."""
        return a + 1

    chat = Chat("m", base_url=replay.base_url, view="none", stream=False, tools=[add])
    answer = chat.send("Hi")
    assert answer.tool_calls[0].value == 3
    assert answer.text == "Hello **world**"
    assert all("stream" not in request.json for request in replay.requests)


# --- what is saved ------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["widget", "display"])
def test_a_cell_that_runs_again_leaves_the_same_bytes(nb, server, view):
    def numbered(request):
        number = len(server.requests)
        if request.json["messages"][-1]["role"] == "tool":
            return completion("It is **so**.", reasoning="Hm, hm.", pace=0.01 * (number % 3))
        call = {"id": f"call_{number}", "name": "add", "arguments": {"a": number % 1}}
        return completion("", reasoning="Well.", tool_calls=[call], pace=0.02 * (number % 3))

    server.fallback = numbered
    nb.run("def add(a: int):\n    'Add one.'\n    return a + 1")
    nb.run("%config ChatMagics.saved_timings = False")
    cell = f"%%chat --tool add --view {view}\nAdd."
    first, second = (nb.run(cell, cell_id="same") for _ in range(2))
    server.fallback = None
    assert not first.error, first.error
    assert json.dumps(first.outputs) == json.dumps(second.outputs)
    assert nb.value("_chat.timing.duration > 0 and _chat.rounds[0].calls[0].id[:5]") == "call_"
    record = second.outputs[-1][RECORD]
    assert set(record["timing"].values()) == {None}


# --- names --------------------------------------------------------------------------------


def test_models_have_names_of_their_own(nb, server):
    nb.run("%config ChatMagics.aliases = {'fast': 'vendor/model-mini-2026', 'deep': 'm-1'}")
    for line in ("-m fast", "fast"):
        server.reply(completion("x"))
        assert not nb.run(f"%%chat {line}\nHi").error
        assert sent(server)["model"] == "vendor/model-mini-2026"
    nb.run("%config ChatMagics.model = 'deep'")
    server.reply(completion("x"))
    nb.run("%%chat\nHi")
    assert sent(server)["model"] == "m-1"
    server.reply(models(["m-1", "m-2"]), models(["m-1", "m-2"]), to="/v1/models")
    assert {"fast", "deep", "m-1", "local"} <= set(nb.complete("%%chat -m "))
    assert "fast → vendor/model-mini-2026" in nb.run("%chat models").stdout


def test_a_prompt_is_kept_in_a_variable_or_a_file(nb, server, tmp_path):
    (tmp_path / "review.md").write_text("Review this {{ lang }} code.\n")
    nb.run("kept = 'Say it in {{ lang }}, {{ n + 1 }} times.'\nn = 1")
    server.reply(completion("x"), completion("y"), completion("z"))
    result = nb.run("%%chat --template kept lang='plain English' -m replay-1 --fresh")
    assert not result.error, result.error
    assert sent(server)["messages"][-1]["content"] == "Say it in plain English, 2 times."
    code = "%%chat --no-history --template {} lang=C\nint x = {{{{ n }}}};"
    result = nb.run(code.format(tmp_path / "review.md"))
    assert not result.error, result.error
    assert sent(server)["messages"][-1]["content"] == "Review this C code.\n\nint x = 1;"
    asked = len(server.requests)
    (tmp_path / "evil.md").write_text("{{ globals().setdefault('ran', 1) }}")
    assert "is not a parameter" in nb.run(f"%%chat --template {tmp_path}/evil.md").error
    assert nb.value("'ran' in globals()") == "False"
    assert len(server.requests) == asked
    assert "a template is --template NAME" in nb.run("%%chat -t kept\nHi").error
    server.fallback = None
    server._queues.clear()
