"""What is read on one thread while another one writes it."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbstream.approval import Approval, Decision
from nbstream.buffers import TextBuffer
from nbstream.events import ExtraEvent, TextEvent, ToolCallEvent
from nbstream.messages import ToolCall
from nbstream.response import Response, Timing
from nbstream.rounds import CallDraft, Round
from nbstream.session import Session
from nbstream.views.protocol import NullView
from nbstream.wire.reducer import Reducer


@pytest.fixture
def hurried():
    """Threads that take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(*functions):
    """Run functions, each on a thread of its own, none before all are there; their results."""
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait(10)
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))


# --- text ---------------------------------------------------------------------------


@pytest.mark.parametrize("writers", [1, 2])
def test_no_text_is_lost_while_others_read_it(hurried, writers):
    buffer = TextBuffer()
    over = threading.Event()
    pieces = [f"{number}," for number in range(20_000)]

    def write(mark):
        for piece in pieces:
            buffer.append(mark + piece)
        return ""

    def read_all():
        seen = ""
        while not over.is_set():
            text = str(buffer)
            assert text.startswith(seen)
            seen = text
        return seen

    def read_news():
        parts, seen = [], 0
        is_last = False
        while not is_last:
            is_last = over.is_set()
            parts.append(buffer.since(seen))
            seen += len(parts[-1])
            assert seen <= len(buffer)
        return "".join(parts)

    with ThreadPoolExecutor(3) as readers:
        tasks = [readers.submit(read) for read in (read_all, read_news, read_news)]
        at_once(*(lambda mark=mark: write(mark) for mark in "ab"[:writers]))
        over.set()
        _, *news = [task.result(20) for task in tasks]
    text = str(buffer)
    assert len(buffer) == len(text) == writers * sum(len(piece) + 1 for piece in pieces)
    for mark in "ab"[:writers]:
        assert [p for p in text.split(",") if p.startswith(mark)] == [
            mark + piece[:-1] for piece in pieces
        ]
    assert news == [text, text]


def test_text_is_read_from_any_place():
    buffer, text = TextBuffer(), ""
    for number in range(10_000):
        piece = str(number)
        buffer.append(piece)
        text += piece
        if number % 997 == 0:
            assert (bool(buffer), len(buffer)) == (True, len(text))
            for offset in (0, 1, len(text) // 2, len(text) - 1, len(text), len(text) + 5):
                assert buffer.since(offset) == text[offset:]
    assert str(buffer) == text
    assert repr(TextBuffer("a")) == "TextBuffer('a')"
    assert (bool(TextBuffer()), len(TextBuffer()), str(TextBuffer())) == (False, 0, "")


# --- the record of what runs --------------------------------------------------------


@pytest.fixture
def running():
    """A response that runs, with fields that grow, a call, and two choices."""
    response = Response(model="m")
    response.rounds.append(Round(model="m"))
    reducer = Reducer(response.rounds[0])
    grow(reducer, 0)
    return response, reducer


def grow(reducer, number):
    """One more piece of all that can grow."""
    events = (
        TextEvent("text "),
        TextEvent("other ", choice=1 + number),
        ExtraEvent("logprobs", {"content": [{"token": number}], "more": {"a": {str(number): 1}}}),
        ExtraEvent("usage_details", {"cost": {f"c{number}": number}}),
        ExtraEvent("reasoning_details", [{"type": "t", "id": str(number)}], echo=True),
        ToolCallEvent(number, id=f"c{number}", name="f", extra={"google": {f"k{number}": {}}}),
    )
    for event in events:
        reducer.apply(event, 0.0)


def test_a_record_is_of_its_moment(running):
    response, reducer = running
    record, messages = response.to_dict(), response.messages
    kept = json.dumps(record), repr(messages)
    grow(reducer, 0)
    grow(reducer, 1)
    assert (json.dumps(record), repr(messages)) == kept
    assert response.to_dict() != record


def test_a_choice_that_opens_while_the_record_is_made(running, monkeypatch):
    response, reducer = running
    to_dict, choices = Round.to_dict, iter(range(100, 200))

    def opening(turn):
        reducer.apply(TextEvent("late", choice=next(choices)), 0.0)
        return to_dict(turn)

    monkeypatch.setattr(Round, "to_dict", opening)
    assert response.to_dict()["rounds"][0]["alternatives"]["1"]["text"] == "other "


def test_a_record_is_read_while_it_is_written(running, hurried):
    response, reducer = running
    over = threading.Event()

    def write():
        for number in range(300):
            grow(reducer, number)
        over.set()

    def read():
        while not over.is_set():
            json.dumps(response.to_dict())
            assert response.choices
            assert response.messages
        return json.dumps(response.to_dict())

    _, *records = at_once(write, read, read)
    assert records == [json.dumps(response.to_dict())] * 2


def test_fields_nested_as_deep_as_they_come_are_recorded(running):
    response, reducer = running
    deep = json.loads("[" * 400 + "]" * 400)
    reducer.apply(ExtraEvent("deep", deep), 0.0)
    assert response.to_dict()["rounds"][0]["extra"]["deep"] == deep


def test_who_sees_that_an_answer_has_ended_finds_how(monkeypatch):
    seen = []

    class Watched(Response):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if getattr(self, "status", "running") != "running":
                seen.append((self.error, self.timing.duration, self.notice))

    response, error = Watched(), OSError("cut")
    response.notice = "again in 3 s"
    response.finish("incomplete", error, Timing(duration=3.0))
    assert seen == [(error, 3.0, "")]


def test_a_call_that_is_answered_meanwhile_is_not_waited_for(running):
    response, _ = running

    class Fleeting(CallDraft):
        """Its question is answered between two looks at it."""

        @property
        def approval(self):
            return self.__dict__.pop("asks", None)

        @approval.setter
        def approval(self, value):
            self.__dict__["asks"] = value

    draft = Fleeting("c", "f")
    question = draft.approval = Approval(draft.call())
    response.rounds[0].calls.append(draft)
    draft.approval = question
    assert response.approvals == [question]
    assert response.approvals == []


# --- questions ----------------------------------------------------------------------


def test_a_question_has_one_answer_whoever_gives_it(hurried):
    for _ in range(60):
        question = Approval(ToolCall("c", "f", "{}"))
        at_once(
            lambda q=question: q.run({"x": 1}),
            lambda q=question: q.reject("no"),
            lambda q=question: q.run(),
        )
        assert isinstance(question.decision.result(0), Decision)


def test_an_answer_to_what_was_stopped_is_heard_by_nobody():
    question = Approval(ToolCall("c", "f", "{}"))
    question.decision.cancel()
    question.run()
    question.reject("too late")
    assert question.decision.cancelled()


# --- watchers -----------------------------------------------------------------------


class Watching:
    """Counts what it is told."""

    def __init__(self):
        self.told = 0

    def changed(self):
        self.told += 1

    def view(self, _turn):
        return NullView()


def test_watchers_come_and_go_on_many_threads(hurried):
    session, constant = Session(), Watching()
    session.watch(constant)

    def come_and_go():
        for _ in range(300):
            watcher = Watching()
            unwatch = session.watch(watcher)
            session.undo()
            assert watcher.told
            unwatch()
            unwatch()

    at_once(*[come_and_go] * 4)
    assert constant.told == 1_200
    last = Watching()
    session.watch(last)()
    session.undo()
    assert (constant.told, last.told) == (1_201, 0)


def test_a_watcher_may_leave_while_it_is_told():
    session, second = Session(), Watching()

    class Leaving(Watching):
        def changed(self):
            super().changed()
            leave()

    leave = session.watch(first := Leaving())
    session.watch(second)
    session.undo()
    session.undo()
    assert (first.told, second.told) == (1, 2)
