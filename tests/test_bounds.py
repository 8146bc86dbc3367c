"""Floods of things: each is bounded in number, and costs no more than its length."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from replay import ReplayServer, Reply, chunk
from wire_cases import decode, errors, read

from nbstream import Chat, Response
from nbstream.errors import APIResponseError
from nbstream.rounds import Round
from nbstream.wire.bounds import (
    MAX_CALLS,
    MAX_CHOICES,
    MAX_ENTRIES,
    MAX_FIELDS,
    MAX_OBJECTS,
    cut,
)
from nbstream.wire.pieces import Pieces
from nbstream.wire.sse import Decoder, Malformed

HALF = "\ud83d"  # half a character, for which every value is cleaned
TOO_MANY_CHOICES = [[f"the answer has more than {MAX_CHOICES:,} choices", None]]
TOO_MANY_CALLS = [[f"the answer has more than {MAX_CALLS:,} tool calls", None]]


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def choice(delta: dict[str, Any], index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, **more}


def call(number: int, name: str = "f") -> dict[str, Any]:
    return {
        "index": number,
        "id": f"c{number}",
        "function": {"name": name, "arguments": "{}"},
    }


def said(*bodies: bytes) -> tuple[Round, list[list[str | None]]]:
    turn, events = read(decode(bodies))
    return turn, errors(events)


@pytest.mark.parametrize("text", ["x", HALF])
@pytest.mark.parametrize("in_one_line", [True, False])
def test_too_many_choices_end_the_stream(text, in_one_line):
    choices = [choice({"content": text}, index) for index in range(3 * MAX_CHOICES)]
    lines = [choices] if in_one_line else [[each] for each in choices]
    turn, wrong = said(event({"choices": [choice({"content": "before"})]}), *map(event_of, lines))
    assert wrong[:1] == TOO_MANY_CHOICES
    assert str(turn.text).startswith("before")
    assert len(turn.alternatives) < MAX_CHOICES


def event_of(choices: list[Any]) -> bytes:
    return event({"choices": choices})


@pytest.mark.parametrize("name", ["f", HALF])
@pytest.mark.parametrize("spread", ["one line", "lines", "choices"])
def test_too_many_calls_end_the_stream(name, spread):
    calls = [call(number, name) for number in range(2 * MAX_CALLS)]
    lines = {
        "one line": [[choice({"tool_calls": calls})]],
        "lines": [[choice({"tool_calls": [each]})] for each in calls],
        "choices": [
            [choice({"tool_calls": [each]}, number % 100)] for number, each in enumerate(calls)
        ],
    }[spread]
    turn, wrong = said(*map(event_of, lines))
    assert wrong[:1] == TOO_MANY_CALLS
    assert sum(len(each.calls) for each in (turn, *turn.alternatives.values())) <= MAX_CALLS


def test_a_body_that_is_no_stream_is_bounded_as_well():
    message = {"content": "a", "tool_calls": [call(number) for number in range(MAX_CALLS + 1)]}
    for body, wrong in (
        ([{"index": i, "message": {"content": "a"}} for i in range(MAX_CHOICES + 1)], "choices"),
        ([{"index": 0, "message": message}], "tool calls"),
    ):
        assert said(json.dumps({"choices": body}).encode())[1] == [
            [f"the answer has more than 1,024 {wrong}", None]
        ]


def test_what_an_honest_server_sends_is_whole():
    """OpenAI's own limits: 128 choices, and 128 tools, called at once."""
    many = [choice({"content": f"{i}"}, i, finish_reason="stop") for i in range(128)]
    turn, wrong = said(event_of(many))
    assert (len(turn.alternatives), wrong) == (127, [])
    turn, wrong = said(event_of([choice({"tool_calls": [call(i) for i in range(128)]})]))
    assert ([draft.id for draft in turn.calls], wrong) == ([f"c{i}" for i in range(128)], [])
    likely = [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}] * 20_000
    turn, wrong = said(event_of([choice({"content": "a"}, logprobs={"content": likely})]))
    assert (len(turn.extra["logprobs"]["content"]), wrong) == (20_000, [])
    ids = list(range(200_000))
    turn, wrong = said(event({"prompt_token_ids": ids, "choices": [choice({"content": "a"})]}))
    assert (turn.extra["prompt_token_ids"], wrong) == (ids, [])


@pytest.mark.parametrize("text", ["x", HALF])
@pytest.mark.parametrize(
    "made",
    [
        lambda many: [{**many, "choices": []}],
        lambda many: [{name: value, "choices": []} for name, value in many.items()],
        lambda many: [{"choices": [choice({}, **many)]}],
        lambda many: [{"choices": [choice(many)]}],
        lambda many: [{"choices": [choice({name: v})]} for name, v in many.items()],
        lambda many: [{"choices": [choice({"x": {name: v}})]} for name, v in many.items()],
        lambda many: [{"choices": [choice({}, logprobs={name: [v]})]} for name, v in many.items()],
        lambda many: [{"choices": [choice({"audio": {name: v}})]} for name, v in many.items()],
        lambda many: [{"choices": [choice({"tool_calls": [call(0) | many]})]}],
    ],
)
def test_fields_that_nobody_reads_are_left_out_beyond_a_number(made, text):
    many = {f"f{number}": text for number in range(5 * MAX_FIELDS)}
    last = event({"model": "m", "choices": [choice({"content": "all the same"})]})
    turn, wrong = said(*map(event, made(many)), last)
    assert wrong == []
    assert (str(turn.text), turn.model) == ("all the same", "m")
    kept = count(turn.extra) + count(turn.echo) + sum(count(draft.extra) for draft in turn.calls)
    assert MAX_FIELDS - 5 < kept <= 2 * MAX_FIELDS


def count(value: Any) -> int:
    """The names in `value`, however deep."""
    inner = value.values() if isinstance(value, dict) else ()
    return (len(value) if isinstance(value, dict) else 0) + sum(map(count, inner))


@pytest.mark.parametrize("in_one_line", [True, False])
@pytest.mark.parametrize("name", ["annotations", "images", "reasoning_details", "thinking_blocks"])
def test_lists_that_are_kept_are_bounded(monkeypatch, name, in_one_line):
    monkeypatch.setattr("nbstream.wire.pieces.MAX_ENTRIES", 50)
    entries = [{"type": f"t{number}", "x": HALF} for number in range(200)]
    lines = [entries] if in_one_line else [[each] for each in entries]
    turn, wrong = said(*(event_of([choice({name: each})]) for each in lines))
    assert wrong == []
    kept = (turn.extra | turn.echo)[name]
    assert [entry["type"] for entry in kept] == [f"t{number}" for number in range(50)]


def test_an_honest_number_of_entries_is_kept():
    entries = [{"url": f"https://a.test/{number}"} for number in range(MAX_ENTRIES)]
    turn, _ = said(event_of([choice({"annotations": entries})]))
    assert turn.extra["annotations"] == entries


def test_an_event_that_is_a_list_has_few_objects():
    chunks = decode([event([{"choices": []}] * (MAX_OBJECTS + 1))])
    assert chunks == [Malformed("the answer has more than 1,024 objects in one event")]


def test_a_chunk_is_cut_before_its_values_are_touched():
    class Untouchable(dict):  # type: ignore[type-arg]  # stands for many values
        def items(self) -> Any:
            raise AssertionError("was looked at")

    many = [Untouchable() for _ in range(MAX_CHOICES + 1)]
    chunk, excess = cut({"choices": many, "model": "m"})
    assert excess == "the answer has more than 1,024 choices"
    assert chunk == {"choices": [], "model": "m"}


def test_lines_without_anything_count_too():
    decoder = Decoder(max_line=1000)
    assert decoder.feed(b"data: x\n" + b"data:\n" * 2000) == []  # no event, and nothing is kept
    assert decoder._data == []
    chunks = decoder.feed(b'\ndata: {"a":\n' + b"data:\n" * 2000)
    assert chunks == [Malformed("one event is longer than 1,000 bytes")]
    assert decoder._data == []


def test_a_long_list_of_errors_is_one_line():
    for value in ({"error": [{"message": HALF}] * 50_000}, {"error": {"detail": ["a"] * 50_000}}):
        ((message, _),) = said(event(value))[1]
        assert message
        assert len(message) <= 400


# -- the cost of a piece -----------------------------------------------------------------


def calls_of(work: Callable[[], object]) -> int:
    """How many functions are called, of Python's and of C's: it is the same each time."""
    number = 0

    def count_call(_frame: object, kind: str, _argument: object) -> None:
        nonlocal number
        number += kind in ("call", "c_call")

    sys.setprofile(count_call)
    try:
        work()
    finally:
        sys.setprofile(None)
    return number


FLOODS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "blocks of many indexes": lambda i: [
        choice({"reasoning_details": [{"type": "t", "index": i, "text": "a"}]})
    ],
    "blocks of many types": lambda i: [choice({"reasoning_details": [{"type": f"t{i}"}]})],
    "encrypted blocks": lambda i: [
        choice({"reasoning_details": [{"type": "t", "data": f"{i}", "id": f"{i}"}]})
    ],
    "signed blocks": lambda i: [
        choice({"thinking_blocks": [{"type": "t", "thinking": "a", "signature": f"{i}"}]})
    ],
    "annotations": lambda i: [choice({"annotations": [{"url": f"{i}"}]})],
    "unknown parts": lambda i: [choice({"content": [{"type": "x", "i": i}]})],
    "pieces of a name": lambda i: [
        choice({"tool_calls": [{"index": 0, "function": {"name": f"{i}" * 50}}]})
    ],
    "a reason each time": lambda i: [choice({"tool_calls": [call(i)]}, finish_reason="stop")],
}


@pytest.mark.parametrize("name", FLOODS)
def test_cost_grows_with_the_length(name):
    def cost(number: int) -> int:
        body = b"".join(event_of(FLOODS[name](i)) for i in range(number))
        return calls_of(lambda: said(body))

    few, many = cost(100), cost(800)
    assert many < 8.8 * few


def test_a_name_has_an_end():
    names = [{"tool_calls": [{"index": 0, "function": {"name": f"n{i}"}}]} for i in range(5000)]
    turn, _ = said(*(event_of([choice(each)]) for each in names))
    assert turn.calls[0].name.startswith("n0n1n2")
    assert len(turn.calls[0].name) < 1_010


def test_entries_are_not_compared_with_each_other():
    class Counted(dict):  # type: ignore[type-arg]
        compared = 0
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return dict.__eq__(self, other)

    fields: dict[str, Any] = {}
    pieces = Pieces()
    for number in range(500):
        pieces.add(fields, "annotations", [Counted(a=number), Counted(a=0)])
    assert len(fields["annotations"]) == 500
    assert Counted.compared == 0


def test_a_long_text_is_not_parsed_again_for_each_brace(monkeypatch):
    """The arguments of a call may be whole at each `}`; who sends only those is not believed."""
    parsed = []
    monkeypatch.setattr("nbstream.wire.calls._MAX_PARSED", 1000)
    monkeypatch.setattr("nbstream.wire.calls._is_json", lambda text: parsed.append(len(text)))

    def piece(arguments: str) -> bytes:
        function = {"name": "f", "arguments": arguments}
        return event_of([choice({"tool_calls": [{"index": 0, "id": "a", "function": function}]})])

    said(piece('{"a": "' + "x" * 5000), *[piece("} }")] * 500)
    assert 30 < len(parsed) < 40


def test_blocks_that_are_sent_again_at_the_end_stand_once():
    pieces = [
        {"type": "thinking", "thinking": "a"},
        {"type": "thinking", "thinking": "b"},
        {"type": "thinking", "thinking": "", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "thinking", "thinking": "c", "signature": "t"},
    ]
    whole = [
        {"type": "thinking", "thinking": "ab", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "thinking", "thinking": "c", "signature": "t"},
    ]
    events = [event_of([choice({"thinking_blocks": [piece]})]) for piece in pieces]
    turn, _ = said(*events, event_of([choice({"thinking_blocks": whole})]))
    assert turn.echo["thinking_blocks"] == whole


# -- over a socket -----------------------------------------------------------------------


def test_a_flood_of_choices_is_an_error_and_keeps_what_came(replay: ReplayServer):
    flood = [choice({"content": "x"}, index) for index in range(100_000)]
    replay.reply(Reply([chunk({"content": "Hello"}), event_of(flood)]))
    with pytest.raises(APIResponseError, match=r"more than 1,024 choices · .+") as caught:
        Chat(model="m", base_url=replay.base_url).send("a")
    response = caught.value.response
    assert response.text == "Hello"
    assert Response.from_dict(response.to_dict()) == response
