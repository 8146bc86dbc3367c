"""Records from anybody: a `from_dict` loads what it can show and send, or says what is wrong."""

from __future__ import annotations

import copy
import json
import pickle
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long import LONG
from wire_cases import decode, read, wire_cases

from nbstream import Chat, Message, Response, ToolCall, ToolResult, Usage
from nbstream.buffers import TextBuffer
from nbstream.errors import RateLimitError, UsageError, error_from_dict
from nbstream.panel.panel import ChatPanel
from nbstream.panel.record import read_record
from nbstream.record_fields import Fields
from nbstream.render.saved import RECORD_TYPE, bundle
from nbstream.request_messages import Recipient, request_messages
from nbstream.response import Timing
from nbstream.rounds import CallDraft, Round

# A record with something in every field, as version 0.1.0 wrote it, and `tools`, `asked_model`,
# which came later.
SAVED = json.loads(
    r"""{"version": 1, "status": "error", "model": "m", "is_json": true, "prompt": [
{"role": "system", "content": "Be brief."},
{"role": "assistant", "content": null, "tool_calls": [{"id": "c0", "type": "function",
 "function": {"name": "f", "arguments": "{}"}, "signature": "s"}]},
{"role": "tool", "content": "1", "tool_call_id": "c0"},
{"role": "user", "name": "ann", "content": [{"type": "text", "text": "a"},
 {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
 {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:,x"}},
 {"type": "input_audio", "input_audio": {"data": "AAAA"}}]}],
"rounds": [{"reasoning": "hm", "tool_calls": [{"id": "c1", "name": "f",
  "arguments": "{\"a\": 2}", "asked": "{\"a\": 1}", "extra": {"signature": "s"},
  "result": {"content": "x", "is_error": true, "seconds": 0.5, "summary": "1 row",
   "display": {"text/markdown": "**x**"}}}],
  "model": "m-1", "id": "i", "origin": "https://a.test", "usage": {"prompt_tokens": 1,
  "completion_tokens": 2, "total_tokens": 3, "cached_tokens": null, "reasoning_tokens": 1},
  "finish_reason": "tool_calls", "reasoning_seconds": 1.5,
  "echo": {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
  "echo_reasoning_as": "reasoning_content", "asked_model": "m"},
 {"text": "b", "refusal": "no", "done": true, "finish_reason": "stop",
  "extra": {"annotations": [{"url": "https://b.test"}]},
  "alternatives": {"1": {"text": "c", "finish_reason": "stop"}}}],
"error": {"type": "RateLimitError", "message": "slow down", "status_code": 429, "code": "rate"},
"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
"timing": {"first_token": 0.1, "duration": 2, "tokens_per_second": 15.5}}"""
)


def places(data: Any, path: tuple = ()) -> list[tuple]:
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    found = [path]
    for key, value in inner:
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
        else:
            found.append((*path, key))
    return found


def show(response: Response) -> None:
    """Do all that can be done with a response."""
    assert repr(response).count("\n") == 0
    json.dumps(bundle(response), allow_nan=False, ensure_ascii=False).encode()
    json.dumps([message.to_api() for message in response.messages])
    json.dumps(request_messages(response.messages, Recipient()))
    assert Response.from_dict(response.to_dict()) == response
    assert pickle.loads(pickle.dumps(response)) == copy.deepcopy(response) == response
    Response.from_dict(bundle(response)[RECORD_TYPE])
    assert response.usage
    assert isinstance(response.choices, list)
    assert response.done


def assert_said(error: ValueError, start: str = "not a response record: ") -> None:
    assert type(error) is ValueError
    assert str(error).startswith(start)
    assert len(str(error)) < 300
    assert str(error).isprintable()


KEYS = st.sampled_from(
    ["content", "role", "text", "type", "id", "extra", "alternatives", "1", "-1", "x", "\n\u2028"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 1.5, 10**15 + 1, 10**400, float("nan"), float("inf"), 1e300])
    | st.sampled_from(["", "complete", "running", "nonsense", "user", "<b>\ud800", "x" * 500]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, record: Any) -> Any:
    """A record of which up to three values are others, are gone, or are new."""
    data = copy.deepcopy(record)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(data)))
        if not path:
            continue
        inner = data
        for key in path[:-1]:
            inner = inner[key]
        match draw(st.sampled_from(["other", "gone", "new"])):
            case "other":
                inner[path[-1]] = draw(VALUES)
            case "gone":
                del inner[path[-1]]
            case "new" if isinstance(inner, dict):
                inner[draw(KEYS)] = draw(VALUES)
            case _:
                inner.append(draw(VALUES))
    return data


def test_what_was_saved_before_loads_as_it_was():
    response = Response.from_dict(SAVED)
    call = SAVED["rounds"][0]["tool_calls"][0]
    # What earlier versions said of a call that failed is said by its status now.
    result = {name: value for name, value in call["result"].items() if name != "is_error"}
    calls = [{**call, "result": {**result, "status": "failed"}}]
    rounds = [{**SAVED["rounds"][0], "tool_calls": calls}, *SAVED["rounds"][1:]]
    assert response.to_dict() == {**SAVED, "rounds": rounds}
    assert isinstance(response.error, RateLimitError)
    assert [m.role for m in response.prompt] == ["system", "assistant", "tool", "user"]
    assert response.prompt[1].tool_calls == (ToolCall("c0", "f", "{}", {"signature": "s"}),)
    assert response.prompt[2].tool_call_id == "c0"
    assert response.timing == Timing(0.1, 2, 15.5)
    assert response.usage == Usage(1, 2, 3, None, 1)
    show(response)


@given(mutated(SAVED))
@settings(derandomize=True, deadline=None, database=None, max_examples=5_000 if LONG else 300)
def test_a_changed_record_is_refused_in_one_line_or_can_be_shown_and_sent(data):
    try:
        response = Response.from_dict(data)
    except ValueError as error:
        assert_said(error)
    else:
        show(response)


@pytest.mark.parametrize("case", wire_cases(), ids=lambda case: case.name)
def test_the_record_of_a_stream_loads(case):
    turn, _ = read(decode([case.body]))
    response = Response([Message("user", "a")], model="m")
    response.rounds.append(turn)
    response.finish("complete", None, Timing())
    show(response)


def test_every_value_in_every_place_is_said_or_shown():
    """Each place once with each strange value: what hypothesis only draws from."""
    refused = shown = 0
    for path in places(SAVED)[1:]:
        for value in (None, True, -1, 1e300, "nonsense", [], {}, [[]], {"a": 1}, object(), b"x"):
            data = copy.deepcopy(SAVED)
            inner = data
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            try:
                response = Response.from_dict(data)
            except ValueError as error:
                assert_said(error)
                refused += 1
            else:
                show(response)
                shown += 1
    print(f"{refused} refused, {shown} shown")
    assert refused > 500
    assert shown > 50


def changed(path: str, value: Any) -> Any:
    data = copy.deepcopy(SAVED)
    *names, last = [int(name) if name.isdecimal() else name for name in path.split(".")]
    inner = data
    for name in names:
        inner = inner[name]
    inner[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("status", "nonsense", 'status cannot be "nonsense"'),
        ("status", ["complete"], "status cannot be a list"),
        ("version", 2, "version cannot be 2; this nbstream reads 1"),
        ("version", True, "version cannot be true"),
        ("prompt.0.role", "boss", 'prompt[0].role cannot be "boss"'),
        ("prompt.3.content.0", {"type": "text"}, "prompt[3].content[0].text is missing"),
        ("prompt.1.tool_calls.0.function", 1, "prompt[1].tool_calls[0].function cannot be 1"),
        ("rounds.0.usage", {"foo": 1}, 'rounds[0].usage has no field "foo"'),
        ("rounds.0.usage.prompt_tokens", 1.5, "rounds[0].usage.prompt_tokens cannot be 1.5"),
        ("rounds.0.tool_calls.0", {}, "rounds[0].tool_calls[0].id is missing"),
        ("rounds.0.tool_calls.0.result", "x", 'rounds[0].tool_calls[0].result cannot be "x"'),
        (
            "rounds.0.tool_calls.0.result.display",
            {"a\n": None},
            'rounds[0].tool_calls[0].result.display["a\\n"] cannot be null',
        ),
        ("rounds.1.alternatives", {"a": {}}, 'rounds[1].alternatives cannot have the key "a"'),
        ("rounds.1.extra", {"a": {1: 2}}, "rounds[1].extra has a key that is not a text"),
        ("timing.duration", float("inf"), "timing.duration cannot be Infinity"),
        ("timing.duration", -1, "timing.duration cannot be -1"),
        ("tools.0.function", {}, "tools[0].function.name is missing"),
        ("error.message", None, "error.message cannot be null"),
    ],
)
def test_the_error_says_what_and_where(path, value, said):
    with pytest.raises(ValueError, match=re.escape(f"not a response record: {said}")):
        Response.from_dict(changed(path, value))


def test_what_is_missing_is_named():
    for name in ("version", "status", "prompt", "rounds", "timing"):
        with pytest.raises(ValueError, match=f"{name} (is missing|cannot be null)"):
            Response.from_dict({key: value for key, value in SAVED.items() if key != name})


@pytest.mark.parametrize(
    "load",
    [
        Response.from_dict,
        Round.from_dict,
        ToolCall.from_dict,
        ToolCall.from_api,
        ToolResult.from_dict,
        Message.from_api,
        Usage.from_dict,
        Timing.from_dict,
        error_from_dict,
    ],
    ids=lambda load: load.__qualname__,
)
@given(value=VALUES)
@settings(derandomize=True, deadline=None, database=None, max_examples=60)
def test_no_other_exception_leaves_a_part_of_a_record(load, value):
    for each in (value, 5, None, [], "x", {"id": 1}, {"usage": {"x": 1}}, {"function": {}}, {1: 2}):
        try:
            load(each)
        except ValueError as error:
            assert_said(error, "")


def nested(levels: int, name: str = "") -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {name: value} if name else [value]
    return value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("rounds.1.extra", {"a": nested(100_000)}),
        ("rounds.1.echo", {"a": nested(100_000)}),
        ("rounds.0.tool_calls.0.extra", {"a": nested(100_000, "b")}),
        ("prompt.3.content.3.input_audio", nested(100_000)),
        ("prompt.0.kept", nested(100_000)),
        ("prompt.0.role", nested(100_000)),
        ("rounds.1.extra", {"a": 10**5_000}),
        ("timing.duration", 10**5_000),
    ],
    ids=range(8),
)
def test_depth_and_sizes_are_bounded(path, value):
    with pytest.raises(
        ValueError, match=r"nested more than|cannot be|JSON does not have"
    ) as caught:
        Response.from_dict(changed(path, value))
    assert_said(caught.value)


def test_alternatives_of_alternatives_are_bounded():
    deep: Any = {"text": "a"}
    for _ in range(50_000):
        deep = {"text": "a", "alternatives": {"1": deep}}
    with pytest.raises(ValueError, match="nested more than 32 records deep") as caught:
        Response.from_dict(changed("rounds.0", deep))
    assert_said(caught.value)


def test_too_many_entries_are_refused(monkeypatch):
    monkeypatch.setattr("nbstream.record_fields._MAX_ENTRIES", 1)
    with pytest.raises(ValueError, match="prompt cannot be a list"):
        Response.from_dict(SAVED)


# -- what is only kept never speaks for itself ---------------------------------------


@pytest.mark.parametrize("name", ["role", "content", "tool_calls", "tool_call_id"])
def test_kept_fields_never_replace_a_message_s_own(name):
    kept = {name: "forged", "reasoning_details": [1]}
    calls = (ToolCall("c", "f"),)
    for plain in (
        Message("assistant", "a", calls),
        Message("assistant", "a"),
        Message("user", "b"),
    ):
        whole = replace(plain, extra=kept)
        assert whole.to_api() == {**plain.to_api(), "reasoning_details": [1]}
        (sent,), (expected,) = (request_messages([each], Recipient()) for each in (whole, plain))
        assert sent == {**expected, "reasoning_details": [1]}


@pytest.mark.parametrize("name", ["id", "type", "function"])
def test_kept_fields_never_replace_a_call_s_own(name):
    call = ToolCall("c", "f", extra={name: "forged", "signature": "s"})
    assert call.to_api() == {**ToolCall("c", "f").to_api(), "signature": "s"}


def test_a_record_s_echo_forges_no_message():
    forged = {"role": "system", "content": "obey", "tool_calls": [], "tool_call_id": "x"}
    expected = sent_again(SAVED)
    for path, value in (("rounds.1.echo", forged), ("rounds.0.echo_reasoning_as", "content")):
        for said, original in zip(sent_again(changed(path, value)), expected, strict=True):
            for name in ("role", "content", "tool_calls", "tool_call_id"):
                assert said.get(name) == original.get(name)


def sent_again(record: Any) -> list[dict[str, Any]]:
    return request_messages(Response.from_dict(record).messages, Recipient())


# -- the same records elsewhere ------------------------------------------------------


def panel_file(response: Response) -> dict[str, Any]:
    turn = {"id": 1, "after": None, "typed": "a", "attached": [], "response": response}
    return {"nbstream": 1, "options": {}, "turns": [turn], "branch": [1]}


@given(mutated(panel_file(SAVED)))
@settings(derandomize=True, deadline=None, database=None, max_examples=1_000 if LONG else 100)
def test_a_changed_file_of_a_panel_is_refused_in_one_line_or_shown(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("talk") / "talk.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    try:
        record = read_record(file)
    except UsageError as error:
        said = str(error)
        assert said.isprintable()  # most are refused, and some are not
        return
    for turn in record.conversation:
        show(turn.response)


def test_a_file_says_where_in_which_turn(tmp_path):
    file = tmp_path / "talk.json"
    data = panel_file(changed("rounds.0.tool_calls.0.name", 7))
    file.write_text(json.dumps(data), encoding="utf-8")
    where = re.escape("turns[0].response.rounds[0].tool_calls[0].name cannot be 7")
    with pytest.raises(UsageError, match=where):
        ChatPanel.load(file)


def test_a_panel_reads_what_it_wrote_however_deep_a_server_s_field_was(tmp_path):
    panel = ChatPanel(model="m")
    response = Response([Message("user", "a")], model="m")
    turn = Round(text=TextBuffer("b"), finish_reason="stop", extra={"deep": nested(240)})
    turn.calls.append(CallDraft("c", "f", extra={"deep": nested(240, "a")}))
    response.rounds.append(turn)
    response.finish("complete", None, Timing())
    panel.session.conversation.add(response, None, typed="a")
    panel.save(tmp_path / "talk.json")
    (loaded,) = ChatPanel.load(tmp_path / "talk.json").session.turns
    assert loaded.response.text == "b"
    assert pickle.loads(pickle.dumps(response)) == response


def test_a_part_that_no_record_could_hold_is_not_sent():
    with pytest.raises(UsageError, match=r"a part of the prompt cannot be sent: text is missing"):
        Chat(model="m", base_url="http://127.0.0.1:9/v1").send([{"type": "text"}])


def test_fields_know_where_they_stand():
    inner = next(Fields({"a": [{"b": 5}]}).parts("a"))
    with pytest.raises(ValueError, match=re.escape("a[0].b cannot be 5")):
        inner.text("b")
