"""A tool call that the server left in the text is told, and never run."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from replay import DONE, ReplayServer, Reply, chunk, completion

from nbstream.chat import Chat
from nbstream.errors import NbstreamError
from nbstream.render.saved import bundle
from nbstream.render.summary import mark
from nbstream.response import Response
from nbstream.wire.leaked_calls import leaked_call

NAMES = ["lookup_city", "add"]
CALL = '{"name": "lookup_city", "arguments": {"city": "Bonn"}}'

LEAKED = [
    f"<tool_call>\n{CALL}\n</tool_call>",
    f"I look that up.\n\n<tool_call>{CALL}",
    "<tool_call>lookup_city\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>\n</tool_call>",
    f"{CALL}\n</tool_call>",
    '<minimax:tool_call>\n<invoke name="lookup_city">\n</minimax:tool_call>',
    '<function_calls>\n<invoke name="lookup_city">',
    f"[TOOL_CALLS][{CALL}]",
    '[TOOL_CALLS]lookup_city[ARGS]{"city": "Bonn"}',
    '<function=lookup_city>{"city": "Bonn"}</function>',
    "<function=lookup_city>\n<parameter=city>\nBonn\n</parameter>\n</function>",
    f"<TOOLCALL>[{CALL}]</TOOLCALL>",
    f"<|tool_call|>[{CALL}]",
    '<|tool_call>call:lookup_city{city:<|"|>Bonn<|"|>}<tool_call|>',
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.lookup_city:0",
    '<|tool_call_start|>[lookup_city(city="Bonn")]<|tool_call_end|>',
    f"<|python_tag|>{CALL}",
    f"<|START_ACTION|>[{CALL}]<|END_ACTION|>",
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>lookup_city",
    '<｜DSML｜function_calls>\n<｜DSML｜invoke name="lookup_city">',
    '<｜｜DSML｜｜invoke name="lookup_city">',
    '<‖DSML‖tool_calls><‖DSML‖invoke name="lookup_city">',
    '<|channel|>commentary to=functions.add <|constrain|>json<|message|>{"a": 1}<|call|>',
    'assistantcommentary to=functions.add json{"a": 1}',
    CALL,
    f" \n{CALL}\n",
    f"```json\n{CALL}\n```",
    f"```\n{CALL}\n```\n",
    f"```tool_call\n{CALL}\n```",
    f"[{CALL}, {CALL}]",
    f"{CALL}\n{CALL}",
    f"Let me see.\n\n{CALL}",
    '{"name": "add", "parameters": {"a": 1}}',
    '{"type": "function", "function": {"name": "add", "arguments": "{}"}}',
    '{"tool_calls": [{"function": {"name": "add", "arguments": {}}}]}',
    '{"tool": "add", "args": {"a": 1}}',
    '[lookup_city(city="Bonn"), add(a=1)]',
]
NOT_LEAKED = [
    "Bonn has 340,000 people.",
    "",
    "Hermes writes `<tool_call>` and `</tool_call>`.",
    f"Hermes writes:\n```xml\n<tool_call>\n{CALL}\n</tool_call>\n```\nThat is all.",
    f"1. Hermes:\n\n   ```\n   <tool_call>{CALL}</tool_call>\n   ```\n",
    "The tag <tool_call> opens it.",
    'Split at "<tool_call>" first.',
    "`[TOOL_CALLS]` is Mistral's, `<function=f>` is Llama's, `<|python_tag|>` too.",
    f"A call looks so:\n\n```json\n{CALL}\n```",
    '{"name": "another", "arguments": {}}',
    '{"name": "lookup_city", "people": 340000}',
    '{"name": "Bonn", "arguments": {}}',
    '["lookup_city", {"arguments": {}}]',
    'lookup_city("Bonn") gives the number.',
    '```python\nlookup_city(city="Bonn")\n```',
    "[1](https://example.com) and [lookup_city](x)",
    "{" * 1000,
    "[" * 100_000,
]


@pytest.mark.parametrize("text", LEAKED)
def test_leaked(text: str):
    assert leaked_call(text, NAMES)
    assert not leaked_call(text, [])


@pytest.mark.parametrize("text", NOT_LEAKED)
def test_not_leaked(text: str):
    assert not leaked_call(text, NAMES)


@pytest.mark.parametrize("unit", ["`<tool_call>` ", "{", "[\n", '{"name":"add"\n', "<|", "<", "`"])
def test_the_work_is_bounded(unit: str):
    """Quadratic work on these would take minutes."""
    text = '"add" ' + unit * (5_000_000 // len(unit))
    assert not leaked_call(text, NAMES)


def lookup_city(city: str) -> str:
    """Look a city up."""
    raise AssertionError(city)


def add(a: int) -> int:
    """Add."""
    raise AssertionError(a)


def ask(replay: ReplayServer, *tools) -> Response:
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=tools)
    return chat.send("How many people live in Bonn?")


@pytest.mark.parametrize("text", [LEAKED[0], LEAKED[6], LEAKED[20], CALL, f"```json\n{CALL}\n```"])
def test_a_leaked_call_is_told_and_not_run(replay: ReplayServer, text: str):
    replay.reply(completion(text))
    response = ask(replay, lookup_city, add)
    assert response.status == "complete"
    assert response.text == text
    assert response.tool_calls == []
    line = mark(response)
    for word in ("tool call as text", "nothing ran", "--tool-call-parser", "--jinja"):
        assert word in line
    restored = Response.from_dict(json.loads(json.dumps(response.to_dict())))
    assert mark(restored) == line
    assert "⚠ The model wrote a tool call as text" in bundle(restored)["text/markdown"]


def test_the_line_names_what_was_found(replay: ReplayServer):
    replay.reply(completion("[TOOL_CALLS]add{}"))
    assert "([TOOL_CALLS])" in mark(ask(replay, add))


def test_no_line_without_tools_or_beside_a_call(replay: ReplayServer):
    replay.reply(completion(LEAKED[0]))
    assert mark(ask(replay)) is None
    deltas = [
        {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "no", "arguments": "{}"}}]}
    ]
    replay.reply(
        Reply(
            [
                chunk({"content": LEAKED[0]}),
                *map(chunk, deltas),
                chunk({}, finish="tool_calls"),
                "[DONE]",
            ]
        ),
        completion("Done."),
    )
    assert mark(ask(replay, add)) is None


def test_a_call_in_the_reasoning_explains_an_empty_answer(replay: ReplayServer):
    replay.reply(completion(reasoning=f"I need that.\n{LEAKED[0]}"))
    assert "tool call as text" in mark(ask(replay, add))
    replay.reply(completion("Hello", reasoning=f"I need that.\n{LEAKED[0]}"))
    assert mark(ask(replay, add)) is None


def test_a_hostile_record_shows_one_short_line(replay: ReplayServer):
    replay.reply(completion(LEAKED[0]))
    data = ask(replay, add).to_dict()
    data["rounds"][0]["leaked_call"] = "<b>\n\u202e" * 10_000
    line = mark(Response.from_dict(data))
    assert len(line) < 500
    assert line.isprintable()


# -- half a call -----------------------------------------------------------------


def half(arguments: str, finish: str | None) -> Reply:
    call = {"index": 0, "id": "1", "function": {"name": "add", "arguments": arguments}}
    deltas = [{"content": "I add."}, {"tool_calls": [call]}]
    last = [chunk({}, finish=finish), DONE] if finish else []
    return Reply([*map(chunk, deltas), *last])


@pytest.mark.parametrize(
    ("reply", "offered"),
    [
        (half('{"a": ', None), False),
        (half('{"a": 1}', None), False),  # nothing says that it is whole
        (half('{"a": ', "length"), False),
        (half('{"a": 1}', "length"), True),
        (half('{"a": ', "content_filter"), False),
    ],
)
def test_half_a_call_is_not_continued(replay: ReplayServer, reply: Reply, offered: bool):
    replay.reply(reply)
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[add])
    with suppress(NbstreamError):
        chat.send("1 + 1?")
    assert ("chat.send('Continue.')" in mark(chat.last)) is offered
    assert chat.last.rounds[-1].has_half_call is not offered
