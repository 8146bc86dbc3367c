"""Events -> `Round`: what is folded where, and when."""

from __future__ import annotations

import copy
from typing import get_args

import pytest

from nbstream.approval import Approval
from nbstream.events import (
    AnswerEvent,
    ApprovalEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    ExtraEvent,
    FinishEvent,
    ModelEvent,
    ReasoningEvent,
    RefusalEvent,
    RetryEvent,
    TextEvent,
    ThoughtEvent,
    ToolCallEvent,
    ToolResultEvent,
    UsageEvent,
)
from nbstream.messages import ToolCall, ToolResult, Usage
from nbstream.rounds import Round
from nbstream.wire.reducer import Reducer


def fold(*events: Event | tuple[float, Event]) -> Round:
    """The round of `events`; one that comes with a time happens then, else at 0."""
    turn = Round()
    reducer = Reducer(turn)
    for entry in events:
        now, event = entry if isinstance(entry, tuple) else (0.0, entry)
        reducer.apply(event, now)
    return turn


def test_every_event_is_understood():
    samples = {
        ModelEvent: ModelEvent("m", "id"),
        TextEvent: TextEvent("a"),
        ReasoningEvent: ReasoningEvent("a"),
        ThoughtEvent: ThoughtEvent(),
        AnswerEvent: AnswerEvent(),
        RefusalEvent: RefusalEvent("a"),
        ToolCallEvent: ToolCallEvent(0, "id", "f", "{}"),
        ToolResultEvent: ToolResultEvent(0, ToolResult("done")),
        ApprovalEvent: ApprovalEvent(0, Approval(ToolCall("id", "f"))),
        UsageEvent: UsageEvent(Usage(1, 2, 3)),
        FinishEvent: FinishEvent("stop"),
        ExtraEvent: ExtraEvent("a", 1),
        ErrorEvent: ErrorEvent("no"),
        DoneEvent: DoneEvent(),
        RetryEvent: RetryEvent(1, 0.5, "busy"),
    }
    assert set(samples) == set(get_args(Event))
    # A result needs its call, and a thought the text that it was.
    before = {ToolResultEvent: [samples[ToolCallEvent]], ThoughtEvent: [samples[TextEvent]]}
    ignored = {
        cls
        for cls, event in samples.items()
        if fold(*before.get(cls, []), event).to_dict() == fold(*before.get(cls, [])).to_dict()
    }
    assert ignored == {ApprovalEvent, ErrorEvent, RetryEvent}


def test_text_reasoning_and_refusal_grow():
    turn = fold(
        ReasoningEvent("x"), TextEvent("a"), ReasoningEvent("y"), RefusalEvent("no"), TextEvent("b")
    )
    assert (str(turn.text), str(turn.reasoning), str(turn.refusal)) == ("ab", "xy", "no")


def test_text_that_was_reasoning():
    turn = Round()
    reducer = Reducer(turn)
    for now, event in enumerate(
        [TextEvent("a\n"), TextEvent("b\n"), ThoughtEvent(), TextEvent("c")]
    ):
        reducer.apply(event, float(now))
    assert (str(turn.text), str(turn.reasoning)) == ("c", "a\nb")
    assert (turn.reasoning_seconds, turn.is_reread) == (2.0, True)


def test_text_that_was_more_reasoning():
    turn = fold(ReasoningEvent("a"), TextEvent("b\n"), ThoughtEvent(), TextEvent("c"))
    assert (str(turn.text), str(turn.reasoning)) == ("c", "a\n\nb")


def test_reasoning_that_was_the_answer():
    turn = fold(ReasoningEvent("a"), (2.0, FinishEvent("stop")), AnswerEvent())
    assert (str(turn.text), str(turn.reasoning)) == ("a", "")
    assert (turn.reasoning_seconds, turn.is_unclosed) == (None, True)


def test_names_stay_when_a_later_event_has_none():
    turn = fold(ModelEvent("m", None), ModelEvent(None, "id"), ModelEvent())
    assert (turn.model, turn.id) == ("m", "id")


def test_the_last_usage_holds():
    assert fold(UsageEvent(Usage(1, 1, 2)), UsageEvent(Usage(1, 5, 6))).usage == Usage(1, 5, 6)


@pytest.mark.parametrize(
    ("reasons", "kept"),
    [
        (["stop"], "stop"),
        (["stop", "tool_calls"], "tool_calls"),
        (["length", "stop"], "length"),
        (["content_filter", "stop"], "content_filter"),
        (["stop", "length"], "length"),
    ],
)
def test_a_later_reason_does_not_hide_a_cut(reasons: list[str], kept: str):
    turn = fold(*map(FinishEvent, reasons))
    assert turn.finish_reason == kept
    assert turn.ended


def test_done_ends_a_round():
    assert not fold(TextEvent("a")).ended
    assert fold(DoneEvent()).ended


def test_calls_are_filled_by_slot():
    turn = fold(
        ToolCallEvent(0, "made-up", None, '{"a"'),
        ToolCallEvent(1, "call_2", "g"),
        ToolCallEvent(0, None, "f", ": 1}", {"extra_content": {"google": {"a": 1}}}),
        ToolCallEvent(0, "call_1", extra={"extra_content": {"google": {"b": 2}}}),
    )
    both = {"extra_content": {"google": {"a": 1, "b": 2}}}
    assert turn.tool_calls == (
        ToolCall("call_1", "f", '{"a": 1}', both),
        ToolCall("call_2", "g", "{}"),
    )


def test_other_choices_are_alternatives():
    turn = fold(
        TextEvent("b", 2),
        TextEvent("a"),
        ReasoningEvent("r", 1),
        RefusalEvent("no", 1),
        ToolCallEvent(0, "c", "f", choice=1),
        FinishEvent("length", 2),
        ExtraEvent("x", 1, choice=2),
        FinishEvent("stop"),
    )
    assert (str(turn.text), turn.finish_reason, turn.extra) == ("a", "stop", {})
    first, second = turn.alternatives[1], turn.alternatives[2]
    assert (str(first.reasoning), str(first.refusal), len(first.calls)) == ("r", "no", 1)
    assert (str(second.text), second.finish_reason, second.extra) == ("b", "length", {"x": 1})
    assert len(turn.alternatives) == 2


# -- reasoning -------------------------------------------------------------------


@pytest.mark.parametrize(
    "after",
    [
        TextEvent("a"),
        ToolCallEvent(0, "id", "f"),
        RefusalEvent("no"),
        FinishEvent("stop"),
        DoneEvent(),
    ],
    ids=lambda event: event.kind,
)
def test_reasoning_lasts_until_something_else_comes(after: Event):
    turn = fold(
        (1.0, ModelEvent("m")),
        (2.0, ReasoningEvent("a")),
        (3.0, UsageEvent(Usage(1))),
        (4.5, after),
        (9.0, TextEvent("b")),
        (10.0, ReasoningEvent("more")),
        (11.0, DoneEvent()),
    )
    assert turn.reasoning_seconds == 2.5


def test_reasoning_that_is_cut_lasts_as_far_as_it_came():
    turn = fold((2.0, ReasoningEvent("a")), (5.0, ReasoningEvent("b")))
    assert turn.reasoning_seconds == 3.0


def test_an_answer_without_reasoning_has_no_time_for_it():
    assert fold((1.0, TextEvent("a")), (2.0, FinishEvent("stop"))).reasoning_seconds is None


def test_each_choice_has_its_own_time():
    turn = fold(
        (1.0, ReasoningEvent("a")),
        (2.0, ReasoningEvent("b", 1)),
        (3.0, TextEvent("a")),
        (7.0, TextEvent("b", 1)),
    )
    assert turn.reasoning_seconds == 2.0
    assert turn.alternatives[1].reasoning_seconds == 5.0


def test_reasoning_goes_back_only_with_calls_and_only_where_it_is_wanted():
    reasoning = ReasoningEvent("r", echo_as="reasoning_content")
    call = ToolCallEvent(0, "id", "f", "{}")
    assert fold(reasoning, call).message().to_api()["reasoning_content"] == "r"
    assert "reasoning_content" not in fold(reasoning, TextEvent("a")).message().to_api()
    assert "reasoning_content" not in fold(ReasoningEvent("r"), call).message().to_api()


# -- fields that are kept --------------------------------------------------------


def extra(*values: object, name: str = "x", echo: bool = False) -> object:
    """What becomes of the values of one field; the events must stay as they were."""
    before = copy.deepcopy(values)
    turn = fold(*(ExtraEvent(name, value, echo) for value in values))
    assert values == before
    kept, other = (turn.echo, turn.extra) if echo else (turn.extra, turn.echo)
    assert other == {}
    return kept[name]


def test_the_last_of_an_unknown_field_holds():
    assert extra(1, "a") == "a"
    assert extra([1], [1, 2]) == [1, 2]
    assert extra({"a": 1}, "a") == "a"
    assert extra("a", {"a": 1}) == {"a": 1}


def test_records_are_united():
    pieces = ({"a": {"b": 1}, "c": None}, {"a": {"d": 2}, "c": 3}, {"c": None})
    assert extra(*pieces) == {"a": {"b": 1, "d": 2}, "c": 3}
    assert extra(*pieces, echo=True) == {"a": {"b": 1, "d": 2}, "c": 3}


@pytest.mark.parametrize("name", ["annotations", "images", "content_parts"])
def test_lists_are_collected_and_repeats_dropped(name: str):
    assert extra([{"a": 1}], [{"b": 2}, {"a": 1}], name=name) == [{"a": 1}, {"b": 2}]
    assert extra("odd", [{"a": 1}], name=name) == [{"a": 1}]


def test_log_probabilities_are_collected_with_their_repeats():
    one = {"content": [{"token": "a"}], "refusal": None}
    assert extra(one, one, name="logprobs") == {"content": [{"token": "a"}, {"token": "a"}]}


def test_audio_is_collected():
    pieces = ({"id": "1", "data": "AA=="}, {"transcript": "a"}, {"transcript": "b", "data": "BB=="})
    assert extra(*pieces, name="audio") == {"id": "1", "data": ["AA==", "BB=="], "transcript": "ab"}


def details(*fragments: dict) -> object:
    return extra(*([fragment] for fragment in fragments), name="reasoning_details", echo=True)


def test_reasoning_fragments_become_blocks():
    text = {"type": "reasoning.text", "index": 0}
    assert details(
        {**text, "text": "a", "signature": ""},
        {**text, "text": "b", "format": None},
        {**text, "index": 1, "text": "c"},
        {**text, "signature": "s", "format": "f"},
        {**text, "index": 1, "text": "d"},
    ) == [
        {**text, "text": "ab", "signature": "s", "format": "f"},
        {**text, "index": 1, "text": "cd"},
    ]


def test_reasoning_blocks_of_other_kinds_or_ids_stay_apart():
    text = {"type": "reasoning.text", "index": 0, "text": "a"}
    summary = {"type": "reasoning.summary", "index": 0, "summary": "b"}
    assert details(text, summary, {**text, "id": "x"}, {**text, "id": "y"}) == [
        {**text, "text": "aa", "id": "x"},
        summary,
        {**text, "id": "y"},
    ]


def test_encrypted_reasoning_is_never_joined():
    secret = {"type": "reasoning.encrypted", "index": 0, "data": "one"}
    other = {**secret, "data": "two"}
    assert details(secret, other, secret) == [secret, other]


def test_reasoning_blocks_without_an_index_end_with_their_signature():
    piece = {"type": "thinking", "thinking": "a", "signature": None}
    signed = {"type": "thinking", "thinking": "", "signature": "s"}
    blocks = extra([piece], [piece], [signed], [piece], name="thinking_blocks", echo=True)
    assert blocks == [{"type": "thinking", "thinking": "aa", "signature": "s"}, piece]


def test_odd_fragments_do_no_harm():
    assert details({}, {"text": 1}, {"text": "a"}) == [{"text": "a"}]
    assert extra(["a", None, 1], [{}], name="reasoning_details", echo=True) == [{}]


@pytest.mark.parametrize("odd", [["x"], {"x": 1}, 1.5, True])
def test_fragments_with_odd_ids_are_matched_as_any(odd: object):
    text = {"type": "reasoning.text", "text": "a", "id": odd}
    assert details(text, text) == [{**text, "text": "aa"}]
    assert details(text, {**text, "id": "y"}) == [text, {**text, "id": "y"}]
