"""Events -> `Round`: what a stream says, folded into the record. No loop, no I/O."""

from __future__ import annotations

from typing import assert_never

from ..events import (
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
from ..rounds import CUT_REASONS, MEDIA, CallDraft, Round
from .pieces import Pieces

__all__ = ["Reducer"]


class Reducer:
    """Folds the events of one request into `round`.

    Choice 0 is the round itself; others are its `alternatives`.
    """

    def __init__(self, round: Round) -> None:  # noqa: A002  # the domain's word
        self._round = round
        self._pieces = Pieces()
        self._answering_since: dict[int, float] = {}
        self._thinking_since: dict[int, float] = {}
        self._thought: set[int] = set()  # the choices whose first reasoning is over

    def apply(self, event: Event, now: float) -> None:  # noqa: C901, PLR0912  # a case an event
        """Take the next event; `now` is in seconds, of a clock that never goes back."""
        match event:
            case TextEvent(text, choice):
                if self._thinking_since:
                    self._end_thinking(choice, now)
                self._answering_since.setdefault(choice, now)
                self._growing(choice).text.append(text)
            case ThoughtEvent(choice, echo_as):
                seconds = now - self._answering_since.get(choice, now)
                self._target(choice).text_was_reasoning(seconds)
                self._target(choice).echo_reasoning_as = echo_as
            case AnswerEvent(choice):
                self._target(choice).reasoning_was_text()
            case ReasoningEvent(text, choice, echo_as):
                target = self._growing(choice)
                target.reasoning.append(text)
                target.echo_reasoning_as = echo_as
                self._think(choice, now)
            case ToolCallEvent():
                self._end_thinking(event.choice, now)
                self._apply_call(event, self._growing(event.choice).calls)
            case ToolResultEvent(slot, result):
                self._round.calls[slot].result = result
            case RefusalEvent(text, choice):
                self._end_thinking(choice, now)
                self._growing(choice).refusal.append(text)
            case UsageEvent(usage):
                self._round.usage = usage
            case ModelEvent(model, completion_id):
                self._round.model = model or self._round.model
                self._round.id = completion_id or self._round.id
            case FinishEvent(reason, choice):
                self._end_thinking(choice, now)
                target = self._target(choice)
                # A later `stop` does not take back that the answer was cut.
                if target.finish_reason not in CUT_REASONS or reason in CUT_REASONS:
                    target.finish_reason = reason
            case ExtraEvent(name, value, echo, choice):
                target = self._growing(choice) if name in MEDIA else self._target(choice)
                self._pieces.add(target.echo if echo else target.extra, name, value)
            case DoneEvent():
                self._round.done = True
                for choice in list(self._thinking_since):
                    self._end_thinking(choice, now)
            case ErrorEvent() | RetryEvent() | ApprovalEvent():
                pass  # the driver's business
            case _:
                assert_never(event)

    def _target(self, choice: int) -> Round:
        if choice == 0:
            return self._round
        target = self._round.alternatives.get(choice)
        if target is None:
            target = self._round.alternatives[choice] = Round()
        return target

    def _growing(self, choice: int) -> Round:
        """The round of a choice to which output comes: a reason before it was no end."""
        target = self._target(choice)
        if target.finish_reason is not None:
            target.finish_reason = None
            self._round.has_early_reason = True
        return target

    def _think(self, choice: int, now: float) -> None:
        if choice not in self._thought:
            since = self._thinking_since.setdefault(choice, now)
            self._target(choice).reasoning_seconds = now - since

    def _end_thinking(self, choice: int, now: float) -> None:
        since = self._thinking_since.pop(choice, None)
        if since is not None:
            self._thought.add(choice)
            self._target(choice).reasoning_seconds = now - since

    def _apply_call(self, event: ToolCallEvent, calls: list[CallDraft]) -> None:
        while len(calls) <= event.slot:
            calls.append(CallDraft())
        draft = calls[event.slot]
        draft.id = event.id or draft.id
        draft.name = event.name or draft.name
        draft.arguments.append(event.arguments)
        for name, value in event.extra.items():
            self._pieces.add(draft.extra, name, value)
