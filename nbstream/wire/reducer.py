"""Events -> `Round`: what a stream says, folded into the record. No loop, no I/O."""

from __future__ import annotations

from typing import Any, TypeVar, assert_never

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

__all__ = ["Reducer"]

_T = TypeVar("_T")

_COLLECTED = frozenset({"annotations", "content_parts", "images"})
_FRAGMENTED = frozenset({"reasoning_details", "thinking_blocks"})
_GROWING = ("text", "summary", "thinking")  # of a fragment: pieces of one text


class Reducer:
    """Folds the events of one request into `round`.

    Choice 0 is the round itself; others are its `alternatives`.
    """

    def __init__(self, round: Round) -> None:  # noqa: A002  # the domain's word
        self._round = round
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
                _apply_call(event, self._growing(event.choice).calls)
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
                _merge(target.echo if echo else target.extra, name, value)
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


def _apply_call(event: ToolCallEvent, calls: list[CallDraft]) -> None:
    while len(calls) <= event.slot:
        calls.append(CallDraft())
    draft = calls[event.slot]
    draft.id = event.id or draft.id
    draft.name = event.name or draft.name
    draft.arguments.append(event.arguments)
    for name, value in event.extra.items():
        _merge(draft.extra, name, value)


# -- fields that came in pieces --------------------------------------------------


def _merge(fields: dict[str, Any], name: str, value: Any) -> None:
    """Put the next `value` of a field together with what came of it before.

    What is in `fields` is the round's own and grows in place; `value` is the event's
    and stays as it is.
    """
    if isinstance(value, list) and (name in _FRAGMENTED or name in _COLLECTED):
        known = _own(fields, name, list)
        if name in _FRAGMENTED:
            _add_fragments(known, value)
        else:
            known += [entry for entry in value if entry not in known]
    elif name == "logprobs" and isinstance(value, dict):
        _add_lists(_own(fields, name, dict), value)
    elif name == "audio" and isinstance(value, dict):
        _add_audio(_own(fields, name, dict), value)
    elif isinstance(value, dict):
        _unite(_own(fields, name, dict), value)
    else:
        fields[name] = value


def _own(fields: dict[str, Any], name: str, kind: type[_T]) -> _T:
    """The container `fields[name]`; a new one where it is missing or of another kind."""
    value = fields.get(name)
    if not isinstance(value, kind):
        value = fields[name] = kind()
    return value


def _unite(old: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, dict):
            _unite(_own(old, name, dict), value)
        elif value is not None or name not in old:
            old[name] = value


def _add_lists(old: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, list):
            _own(old, name, list).extend(value)


def _add_audio(old: dict[str, Any], new: dict[str, Any]) -> None:
    """`data` becomes a list of base64 texts, each of its own; `transcript` is one text."""
    for name, value in new.items():
        if name == "data" and value:
            _own(old, name, list).append(value)
        elif name == "transcript" and isinstance(value, str):
            _grow(old, name, value)
        elif value is not None:
            old[name] = value


def _add_fragments(known: list[Any], fragments: list[Any]) -> None:
    """Put a provider's reasoning blocks together again, as it wants them back.

    A stream carries one block in many fragments: text grows, other fields (signature,
    id, format) are set by whichever fragment has them. Encrypted `data` is never joined.
    """
    for fragment in fragments:
        if not isinstance(fragment, dict):
            continue
        block = _block_of(fragment, known)
        if block is None:
            if fragment not in known:
                known.append(dict(fragment))
            continue
        for name, value in fragment.items():
            if name in _GROWING and isinstance(value, str):
                _grow(block, name, value)
            elif value or name not in block:
                block[name] = value


def _block_of(fragment: dict[str, Any], known: list[Any]) -> dict[str, Any] | None:
    """The block that `fragment` continues, or None where it begins one."""
    index = fragment.get("index")
    for block in reversed(known):
        if block.get("type") != fragment.get("type") or block.get("data"):
            continue
        if index is not None and block.get("index") != index:
            continue
        if index is None and block.get("signature"):
            return None  # Anthropic signs a block when it is whole
        ids = block.get("id"), fragment.get("id")  # of any kind: this is a stranger's JSON
        return block if None in ids or ids[0] == ids[1] else None
    return None


def _grow(fields: dict[str, Any], name: str, piece: str) -> None:
    text = fields.get(name)
    if not isinstance(text, str):
        fields[name] = piece
        return
    fields[name] = ""  # the only reference is `text` now: CPython appends in place
    text += piece
    fields[name] = text
