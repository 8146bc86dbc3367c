"""Chunks -> events, for every quirk in `tests/wire`, and the rules behind them."""

from __future__ import annotations

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long import LONG
from wire_cases import WireCase, decode, errors, read, wire_cases

from nbstream.events import (
    DoneEvent,
    ErrorEvent,
    ExtraEvent,
    FinishEvent,
    ModelEvent,
    TextEvent,
    ToolCallEvent,
    UsageEvent,
)
from nbstream.messages import Usage
from nbstream.response import Response, Timing
from nbstream.rounds import Round
from nbstream.wire.calls import CallSlots, made_up_ids
from nbstream.wire.dialects import Dialect
from nbstream.wire.sse import DONE, Chunk
from nbstream.wire.usage import parse_usage

seeded = settings(derandomize=True, deadline=None, max_examples=5_000 if LONG else 400)


def outcome(turn: Round) -> dict:
    """What a round holds, as the cases write it down; what is empty is left out."""
    usage = turn.usage.to_dict() if turn.usage else {}
    data = {
        "text": str(turn.text),
        "reasoning": str(turn.reasoning),
        "refusal": str(turn.refusal),
        "calls": [call.to_dict() for call in turn.tool_calls],
        "usage": {name: count for name, count in usage.items() if count is not None},
        "finish": turn.finish_reason,
        "echo": turn.echo,
        "alternatives": {str(i): outcome(other) for i, other in turn.alternatives.items()},
    }
    return {name: value for name, value in data.items() if value}


def plain(expected: dict) -> dict:
    others = {index: plain(other) for index, other in expected.get("alternatives", {}).items()}
    return {name: value for name, value in {**expected, "alternatives": others}.items() if value}


@pytest.mark.parametrize("case", wire_cases(), ids=lambda case: case.name)
def test_wire_case(case: WireCase):
    expected = dict(case.expected)
    turn, events = read(decode([case.body]))

    assert errors(events) == expected.pop("errors", [])
    assert turn.done is expected.pop("done", True)
    for name in ("model", "extra"):
        if name in expected:
            kept = turn.model if name == "model" else turn.extra
            assert kept == expected.pop(name)
    if "message" in expected:
        assert turn.message().to_api() == expected.pop("message")
    assert outcome(turn) == plain(expected)
    saved = json.dumps(turn.to_dict(), allow_nan=False)
    assert Round.from_dict(json.loads(saved)).to_dict() == turn.to_dict()


def test_there_is_a_case_for_each_quirk():
    assert len(wire_cases()) > 90
    assert all(case.about.strip() for case in wire_cases())


@pytest.mark.parametrize("case", wire_cases(), ids=lambda case: case.name)
def test_any_split_gives_the_same_chunks(case: WireCase):
    whole = decode([case.body])
    assert whole
    assert decode(bytes([byte]) for byte in case.body) == whole
    for at in range(0, len(case.body), 1 + len(case.body) // 400):
        assert decode([case.body[:at], case.body[at:]]) == whole


@pytest.mark.parametrize("case", wire_cases(), ids=lambda case: case.name)
def test_a_stream_that_is_cut_never_looks_whole(case: WireCase):
    """Cut anywhere: nothing raises, text only grows, and nothing ends before its end."""
    full, _ = read(decode([case.body]))
    is_stream = not case.name.startswith("body_")
    for at in range(0, len(case.body), 1 + len(case.body) // 300):
        turn, _ = read(decode([case.body[:at]]))
        if is_stream and not str(turn.text).lstrip().startswith("<"):  # a tag may be cut
            text = str(turn.text).rstrip("\ufffd")
            if full.is_reread == turn.is_reread:
                assert str(full.text).startswith(text)
            else:
                assert str(full.reasoning).startswith(re.sub(r"\n<?[/a-z]*>?$", "", text).strip())
        if b"finish_reason" not in case.body[:at] and b"[DONE]" not in case.body[:at]:
            assert not turn.ended


# -- tool calls ------------------------------------------------------------------


def collect(slots: CallSlots, chunks: list[list]) -> list[str]:
    events = [event for chunk in chunks for event in slots.feed(chunk)] + slots.flush()
    texts: dict[int, str] = {}
    for event in events:
        texts[event.slot] = texts.get(event.slot, "") + event.arguments
    return [texts[slot] for slot in sorted(texts)]


json_objects = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    min_size=1,
    max_size=4,
)


@seeded
@given(json_objects, st.randoms(use_true_random=False), st.booleans())
def test_arguments_in_any_pieces_are_the_same(value: dict, rng: random.Random, cumulative: bool):
    """Piece by piece or everything so far each time: the arguments come out as they were."""
    text = json.dumps(value)
    ends = sorted({rng.randrange(1, len(text) + 1) for _ in range(5)} | {len(text)})
    starts = [0 if cumulative else end for end in [0, *ends[:-1]]]
    pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    chunks = [[{"index": 0, "function": {"arguments": piece}}] for piece in pieces]
    chunks[0][0]["function"]["name"] = "f"
    assert collect(CallSlots(0), chunks) == [text]


def test_a_last_piece_that_looks_cumulative_is_read_as_json():
    def pieces(*texts: str) -> list[list]:
        return [[{"index": 0, "function": {"name": "f", "arguments": text}}] for text in texts]

    nested = pieces('{"a":', '{"a":1}}')
    assert collect(CallSlots(0), nested) == ['{"a":{"a":1}}']
    assert collect(CallSlots(0), pieces('{"a":', '{"a":1}')) == ['{"a":1}']
    assert collect(CallSlots(0), pieces('{"a":', '{"a":1')) == ['{"a":{"a":1']  # cut


def test_made_up_ids_follow_from_their_place():
    new_id, again, elsewhere = made_up_ids("2.0"), made_up_ids("2.0"), made_up_ids("2.1")
    ids = [new_id() for _ in range(100)]
    assert ids == [again() for _ in range(100)]
    assert len({*ids, *(elsewhere() for _ in range(100))}) == 200
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", each) for each in ids)


def test_odd_entries_of_tool_calls_do_no_harm():
    entries = [None, "call", 3, {}, {"index": 1.5, "function": "f", "id": 7}, {"function": None}]
    events = CallSlots(0).feed(entries)
    assert [(event.slot, event.id) for event in events][1:] == [(0, "7")]


def test_many_small_pieces_of_arguments_stay_cheap():
    """A piece that is shorter than what came is never compared with it."""
    slots = CallSlots(0)
    slots.feed([{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"s": "'}}])
    entry = [{"index": 0, "function": {"arguments": "xy"}}]
    for _ in range(100_000):
        slots.feed(entry)
    assert len(slots._slots[0]._text._parts) > 1  # never joined


# -- everything else -------------------------------------------------------------


def test_unknown_shapes_never_raise():
    """Each field of a chunk, with a value of the wrong type."""
    odd = [None, 0, -1, 1.5, True, "", "x", [], [None], ["x"], [[]], [{}], {}, {"a": {}}]
    choice = ("index", "delta", "message", "text", "finish_reason", "logprobs", "usage", "error")
    delta = ("content", "tool_calls", "function_call", "refusal", "reasoning", "audio", "images")
    delta += ("reasoning_details", "reasoning_content", "thinking_blocks", "extra_content")
    delta += ("annotations", "anything")
    chunks = [{name: v} for name in ("choices", "usage", "error", "id", "model", "x") for v in odd]
    chunks += [{"choices": [{name: value}]} for name in choice for value in odd]
    chunks += [{"choices": [{"delta": {name: value}}]} for name in delta for value in odd]
    for chunk in chunks:
        turn, _ = read([chunk, {"choices": [{"delta": {"content": "ok"}}]}, chunk, DONE])
        assert str(turn.text).replace("x", "").endswith("ok")
        json.dumps(turn.to_dict(), allow_nan=False)
    print(len(chunks), "odd chunks")


def test_the_common_chunk_is_one_event():
    dialect = Dialect()
    chunk = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "a"}}]}
    assert dialect.feed(chunk) == [ModelEvent("m", "1"), TextEvent("a")]
    assert dialect.feed(chunk) == [TextEvent("a")]


def test_usage_that_stays_the_same_is_told_once():
    dialect = Dialect()
    chunk = {"usage": {"prompt_tokens": 5, "completion_tokens": None, "total_tokens": None}}
    assert dialect.feed(chunk) == [UsageEvent(Usage(5))]
    assert dialect.feed(chunk) == []


def test_fields_that_stay_the_same_are_told_once():
    dialect = Dialect()
    chunk = {"system_fingerprint": "fp", "choices": [{"delta": {}, "stop_reason": 1, "x": 2}]}
    assert dialect.feed(chunk) == [
        ExtraEvent("system_fingerprint", "fp"),
        ExtraEvent("stop_reason", 1),
        ExtraEvent("x", 2),
    ]
    assert dialect.feed(chunk) == []


def test_held_text_comes_at_the_end_of_a_cut_stream():
    dialect = Dialect()
    assert dialect.feed({"choices": [{"delta": {"content": "<thi"}}]}) == []
    assert dialect.close() == [TextEvent("<thi")]
    assert dialect.close() == []


@pytest.mark.parametrize(
    "end", [{"choices": [{"delta": {}, "finish_reason": "stop"}]}, DONE], ids=["finish", "done"]
)
def test_what_was_held_comes_before_the_end(end: Chunk):
    dialect = Dialect(new_id=lambda: "id")
    call = {"index": 0, "function": {"name": "f", "arguments": '{"a":'}}
    again = {"index": 0, "function": {"arguments": '{"a": 1}'}}
    dialect.feed({"choices": [{"delta": {"content": "<thi", "tool_calls": [call]}}]})
    assert dialect.feed({"choices": [{"delta": {"tool_calls": [again]}}]}) == []
    held = [TextEvent("<thi"), ToolCallEvent(0, arguments=" 1}")]
    *before, last = dialect.feed(end)
    assert before == held
    assert isinstance(last, FinishEvent | DoneEvent)


def test_a_call_opens_with_an_id_at_once():
    """A view and a cancelled answer need one before the provider's own comes."""
    dialect = Dialect(new_id=lambda: "made-up")
    piece = {"index": 0, "function": {"name": "f", "arguments": '{"a'}}
    events = dialect.feed({"choices": [{"delta": {"tool_calls": [piece]}}]})
    assert events == [ToolCallEvent(0, "made-up", "f", '{"a')]


def test_an_error_message_is_one_short_line_without_a_key():
    text = "Incorrect API key provided: sk-proj-abcdef123456.\n\x1b[31m" + "x" * 1000
    (event,) = Dialect().feed({"error": {"message": text, "code": "invalid_api_key"}})
    assert isinstance(event, ErrorEvent)
    assert event.message.startswith("Incorrect API key provided: …. [31mxxx")
    assert len(event.message) == 400
    assert event.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("data", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, Usage(1, 2, 3)),
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}},
            Usage(9, None, None, 4),
        ),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(9, None, None, 4)),
        ({"prompt_tokens": 9, "cache_read_input_tokens": 4}, Usage(9, None, None, 4)),
        ({"prompt_tokens": 9, "cached_tokens": 0}, Usage(9, None, None, 0)),
        (
            {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}},
            Usage(None, 9, None, None, 4),
        ),
        ({"output_tokens_details": {"reasoning_tokens": 4}}, Usage(reasoning_tokens=4)),
        ({"reasoning_tokens": 4}, Usage(reasoning_tokens=4)),
        ({"completion_tokens_details": None, "prompt_tokens": None}, Usage()),
        ({"prompt_tokens": "9", "completion_tokens": True, "total_tokens": -1}, Usage()),
        ({"total_tokens": 12.0}, Usage(total_tokens=12)),
    ],
)
def test_usage_of_each_provider(data: dict, usage: Usage):
    assert parse_usage(data) == usage


def test_the_record_of_a_wire_case_is_restored():
    response = Response()
    for case in wire_cases():
        turn, _ = read(decode([case.body]))
        response.rounds.append(turn)
    response.finish("complete", None, Timing())
    assert Response.from_dict(json.loads(json.dumps(response.to_dict()))) == response


@pytest.mark.parametrize(
    "count", [10**400, 1e308, 10**12 + 1, -1, True, float("nan"), float("inf"), "9" * 400, [], {}]
)
def test_what_no_model_can_count_is_no_count(count: object):
    assert parse_usage({"prompt_tokens": 5, "completion_tokens": count}) == Usage(prompt_tokens=5)
