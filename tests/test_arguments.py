"""What a model wrote as a call, read as it was meant: arguments, names, and in pieces."""

from __future__ import annotations

import json
from typing import Any, Literal, Optional

import pytest
from replay import Reply, chunk, completion
from test_tool_loop import ask, calls, results, sent

from nbstream.messages import ToolCall, api_name, meant_name
from nbstream.tools.arguments import as_meant
from nbstream.tools.json_schema import portable
from nbstream.tools.tool import ArgumentsError, as_tool, parse_arguments
from nbstream.wire.calls import CallSlots

MEANT = [  # what a model wrote, and what it meant
    ('{"a": "two\nlines\tand a tab"}', {"a": "two\nlines\tand a tab"}),
    ('{"a": 1}\n```', {"a": 1}),
    ('```json\n{"a": 1}\n```\n', {"a": 1}),
    ('```\n{"a": 1}', {"a": 1}),
    ('{"a": 1}<|im_end|>', {"a": 1}),
    ('{"a": 1}\n</tool_call>\n<|im_end|>', {"a": 1}),
    ('<tool_call>{"a": "x\n```"}</tool_call>', {"a": "x\n```"}),
    ('{"a": 1}<｜tool▁call▁end｜>', {"a": 1}),  # DeepSeek's token
    (json.dumps('{"a": 1}'), {"a": 1}),
    (json.dumps('{"a": "two\nlines"}\n```'), {"a": "two\nlines"}),
]


@pytest.mark.parametrize(("text", "value"), MEANT)
def test_what_is_meant_beyond_doubt_is_read(text, value):
    assert parse_arguments(text) == value
    (function,) = [ToolCall("a", "f", text).to_api()["function"]]
    assert json.loads(function["arguments"]) == value  # strict servers parse the history


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1',
        '{"a": 1}}',
        '{"a": 1} {"a": 2}',
        '{"a": 1}<|im_end|>{"a": 2}',
        '{"a": 1} as you wished',
        "Sure: {'a': 1}",
        "```json\n[1, 2]\n```",
        json.dumps(json.dumps('{"a": 1}')),
        json.dumps("a"),
        '"{"',
        '{"a": 1, "a": 2}\n```',
        '```{"a": NaN}```',
        "```" * 10_000 + "{",
        " " * 100_000 + "{",
    ],
)
def test_what_is_in_doubt_is_an_error_and_stays_valid_in_the_history(text):
    with pytest.raises(ArgumentsError):
        parse_arguments(text)
    assert isinstance(json.loads(ToolCall("a", "f", text).to_api()["function"]["arguments"]), dict)


def test_the_record_keeps_what_the_model_wrote(replay):
    def note(text: str) -> str:
        return f"{len(text.splitlines())} lines"

    written = '{"text": "one\ntwo"}\n```'
    replay.reply(calls(("note", written)), completion("Noted."))
    _, response = ask(replay, note)
    (call,) = response.tool_calls
    assert (call.arguments, call.value) == (written, "2 lines")
    history = sent(replay)[-2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(history) == {"text": "one\ntwo"}


# -- texts that are something else -----------------------------------------------


@pytest.mark.parametrize(
    ("hint", "written", "value"),
    [
        (list[int], "[1, 2]", [1, 2]),
        (list[str], '["a", "b"]', ["a", "b"]),
        (list[list[int]], ["[1]", [2]], [[1], [2]]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (dict[str, list[int]], {"a": "[1]"}, {"a": [1]}),
        (list[dict[str, int]], '[{"a": 1}]', [{"a": 1}]),
        (int, "5", 5),
        (float, "2.5", 2.5),
        (bool, "true", True),
        (list[int] | None, "[1]", [1]),
        (Optional[int], "null", None),  # noqa: UP045  # as people write
        (tuple[int, list[str]], [1, '["a"]'], (1, ["a"])),
        # A text where one is taken:
        (str, "[1, 2]", "[1, 2]"),
        (list[int] | str, "[1, 2]", "[1, 2]"),
        (list[str], ["[1]"], ["[1]"]),
        (Any, "[1]", "[1]"),
        (dict[str, Any], {"a": "[1]"}, {"a": "[1]"}),
        (Literal["1", 1], "1", "1"),
    ],
)
def test_a_text_is_what_the_parameter_takes(hint, written, value):
    def f(x):
        return x

    f.__annotations__["x"] = hint
    assert as_tool(f).bind({"x": written})() == value


@pytest.mark.parametrize(
    ("hint", "written"),
    [(list[int], "1, 2"), (list[str], "a"), (list[int], '{"a": 1}'), (int, "[5]"), (dict, "x=1")],
)
def test_a_text_that_may_mean_anything_is_an_error(hint, written):
    def f(x): ...

    f.__annotations__["x"] = hint
    with pytest.raises(ArgumentsError, match=r"^x: Input should be"):
        as_tool(f).bind({"x": written})


def test_a_schema_that_leads_to_itself_is_read_to_its_end():
    schema = {
        "properties": {"t": {"$ref": "#/$defs/T"}, "u": {"$ref": "#/$defs/U"}},
        "$defs": {
            "T": {"properties": {"höhe": {"type": "number"}, "in": {"$ref": "#/$defs/T"}}},
            "U": {"anyOf": [{"$ref": "#/$defs/U"}, {"$ref": "#/nothing"}, {"type": "array"}]},
        },
    }
    assert portable(schema)["$defs"]["T"]["properties"].keys() == {"hohe", "in"}
    read = as_meant(schema, {"t": {"hohe": "1.5", "in": {"hohe": 2}}, "u": "[1]", "z": 1})
    assert read == {"t": {"höhe": 1.5, "in": {"höhe": 2}}, "u": [1], "z": 1}


# -- names -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "functions.lookup",
        " lookup\n",
        "lookup<|channel|>commentary",
        "lookup<|constrain|>json",
        "functions.lookup<|channel|>commentary <|constrain|>json",
        "<|channel|>commentary to=functions.lookup <|constrain|>json",
        "functions.lookup:0",
        "lookup<|channel",
    ],
)
def test_a_name_with_what_leaked_is_that_tool(replay, name):
    def lookup(city: str) -> str:
        return f"{city}!"

    replay.reply(calls((name, {"city": "Ulm"})), completion("Yes."))
    _, response = ask(replay, lookup)
    (call,) = response.tool_calls
    assert (call.name, call.value) == (name, "Ulm!")
    assert sent(replay)[-2]["tool_calls"][0]["function"]["name"] == "lookup"


@pytest.mark.parametrize("name", ["lookups", "look up", "other.lookup", "lookup()", "", "<|x|>"])
def test_an_unknown_name_is_answered(replay, name):
    def lookup() -> str:
        return "run"

    replay.reply(calls((name, {})), completion("Sorry."))
    _, response = ask(replay, lookup)
    assert response.tool_calls[0].result.is_error
    assert "there is no tool" in next(iter(results(replay).values()))


def test_a_name_that_may_be_either_of_two_is_neither(replay):
    def lookup() -> str:
        return "plain"

    def functions_lookup() -> str:
        return "with the prefix"

    replay.reply(calls(("functions.lookup", {})), completion("Sorry."))
    _, response = ask(replay, lookup, functions_lookup)
    assert response.tool_calls[0].result.is_error


def test_names_that_mean_nothing():
    assert meant_name("<|channel|>") == ""
    assert api_name("<|channel|>") == "_"
    assert api_name("functions.größe") == "gr__e"


def entry(name=None, arguments=None, **more):
    function = {"name": name, "arguments": arguments}
    return [{"index": 0, "function": {k: v for k, v in function.items() if v is not None}, **more}]


@pytest.mark.parametrize(
    ("pieces", "name"),
    [
        (["look", "up", "_city"], "lookup_city"),
        (["lookup_city", "lookup_city"], "lookup_city"),
        (["look", "lookup", "lookup_city"], "lookup_city"),
        (["lookup_city", "", "lookup_city"], "lookup_city"),
        (
            ["functions", ".lookup", "<|channel|>", "commentary"],
            "functions.lookup<|channel|>commentary",
        ),
    ],
)
@pytest.mark.parametrize("ids", ["first", "each", "none"])
def test_a_name_in_pieces_is_one(pieces, name, ids):
    slots = CallSlots(0, new_id=lambda: "made")
    events = []
    for number, piece in enumerate(pieces):
        has_id = ids == "each" or (ids == "first" and number == 0)
        events += slots.feed(entry(piece, "", **({"id": "c1"} if has_id else {})))
    events += slots.feed(entry(None, '{"a":'))
    events += slots.feed(entry(pieces[-1], "1}"))  # a name that comes again is no piece
    assert {event.slot for event in events} == {0}
    assert [event.name for event in events if event.name][-1] == name
    assert "".join(event.arguments for event in events) == '{"a":1}'


def test_a_call_whose_name_comes_in_pieces_runs(replay):
    def lookup_city(city: str) -> str:
        return f"{city}!"

    call = {"index": 0, "id": "c1", "type": "function"}
    pieces = [
        {**call, "function": {"name": "lookup", "arguments": ""}},
        {"index": 0, "function": {"name": "_city"}},
        {"index": 0, "function": {"arguments": '{"city": "Ulm"}'}},
    ]
    body = [chunk({"tool_calls": [piece]}) for piece in pieces]
    replay.reply(Reply([*body, chunk({}, finish="tool_calls")]), completion("Yes."))
    _, response = ask(replay, lookup_city)
    assert response.tool_calls[0].value == "Ulm!"


def test_a_line_break_in_arguments_ends_a_call_too():
    slots = CallSlots(0, new_id=iter("ab").__next__)
    first = slots.feed(entry("note", '{"text": "one\ntwo"}'))
    second = slots.feed(entry("note", '{"text": "three"}'))
    assert [event.slot for event in first + second] == [0, 1]
