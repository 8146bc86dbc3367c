"""The call of one tool read as the answer's text.

Where an endpoint takes a schema only as a tool, the arguments of its call are the answer. They
are no call for anybody behind this: nothing is run or asked, and the history has a plain answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..events import (
    DoneEvent,
    Event,
    FinishEvent,
    ReasoningEvent,
    TextEvent,
    ThoughtEvent,
    ToolCallEvent,
)
from ..messages import meant_name

__all__ = ["AnswerCall"]


@dataclass(slots=True)
class _Slot:
    """A call; `is_answer` is known once its arguments begin, and its name is whole."""

    name: str = ""
    waiting: list[ToolCallEvent] = field(default_factory=list)
    is_answer: bool | None = None
    number: int = 0


@dataclass(slots=True)
class _Choice:
    """One choice: its calls, and the text beside them."""

    slots: dict[int, _Slot] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    has_answer: bool = False
    calls: int = 0
    echo_as: str | None = None


class AnswerCall:
    """Turns the events of an answer into those of one whose text is the call's arguments.

    What a model says beside the call is no part of the answer; it is kept as its reasoning.

    Args:
        name: of the tool whose call is the answer.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._choices: dict[int, _Choice] = {}

    def feed(self, events: Iterable[Event]) -> list[Event]:
        return [new for event in events for new in self._read(event)]

    def close(self) -> list[Event]:
        """What was held back."""
        return [event for number in self._choices for event in self._settle(number)]

    def _choice(self, number: int) -> _Choice:
        return self._choices.setdefault(number, _Choice())

    def _read(self, event: Event) -> Iterator[Event]:
        match event:
            case TextEvent(text, number):
                self._choice(number).text.append(text)
                yield TextEvent("", number)  # a sign of life for who waits
            case ToolCallEvent():
                yield from self._read_call(event)
            case ThoughtEvent(number):
                yield from self._text(number)
                yield event
            case FinishEvent(_, number):
                yield from self._settle(number)
                yield event
            case DoneEvent():
                yield from self.close()
                yield event
            case ReasoningEvent(_, number, echo_as):
                self._choice(number).echo_as = echo_as
                yield event
            case _:
                yield event

    def _read_call(self, event: ToolCallEvent) -> Iterator[Event]:
        slot = self._choice(event.choice).slots.setdefault(event.slot, _Slot())
        slot.name = event.name or slot.name
        slot.waiting.append(event)
        if slot.is_answer is not None or event.arguments:
            yield from self._say(event.choice, slot)

    def _say(self, number: int, slot: _Slot) -> Iterator[Event]:
        """What has come of a call."""
        choice = self._choice(number)
        is_first = slot.is_answer is None
        if slot.is_answer is None:
            slot.is_answer = meant_name(slot.name) == self._name
            choice.has_answer |= slot.is_answer
            yield from self._text(number)
            if not slot.is_answer:
                slot.number, choice.calls = choice.calls, choice.calls + 1
        waiting, slot.waiting = slot.waiting, []
        if not slot.is_answer:
            yield from (replace(event, slot=slot.number) for event in waiting)
            return
        text = "".join(event.arguments for event in waiting)
        if text or is_first:
            yield TextEvent(text or "{}", number)

    def _settle(self, number: int) -> Iterator[Event]:
        for slot in self._choice(number).slots.values():
            if slot.is_answer is None:
                yield from self._say(number, slot)
        yield from self._text(number)

    def _text(self, number: int) -> Iterator[Event]:
        """The text that was held back."""
        choice = self._choice(number)
        text, choice.text = "".join(choice.text), []
        if text and choice.has_answer:
            yield ReasoningEvent(text, number, choice.echo_as)
        elif text:
            yield TextEvent(text, number)
