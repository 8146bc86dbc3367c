"""How answers end: one word for each way, the same in cells, panels, variables and documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rounds import CALL_REASONS, OWN_END_REASONS, Round

if TYPE_CHECKING:
    from .response import Response

__all__ = ["ENDINGS", "choices_of", "ending_of", "is_half", "own_reason"]

#: Each word, with when an answer has it.
ENDINGS = {
    "": "it is whole",
    "running": "it has not ended",
    "stopped": "you stopped it",
    "cut off at the token limit": "the model reached the token limit",
    "cut off by the content filter": "the provider's content filter ended it",
    "incomplete": "the connection broke, a deadline passed, or the rounds of tools ran out",
    "failed": "no answer came, or the server said that it failed",
    "refused": "the model refused, and said so in the API's own field",
    "empty": "the model ended without a text",
    "tools not run": "the model ended with calls that did not run",
    "ended": "the provider gives a reason of its own, which stands behind this word",
}

_OF_STATUS = {
    "running": "running",
    "cancelled": "stopped",
    "incomplete": "incomplete",
    "error": "failed",
}
_CUT = {
    "length": "cut off at the token limit",
    "content_filter": "cut off by the content filter",
}


def ending_of(response: Response) -> str:
    """How an answer ended, in a word of `ENDINGS`.

    Args:
        response: in any state.
    """
    if response.status in _OF_STATUS:
        return _OF_STATUS[response.status]
    return _of_whole(response.rounds[-1]) if response.rounds else "empty"


def _of_whole(last: Round) -> str:
    """How an answer ended whose stream came to its end."""
    if last.finish_reason in _CUT:
        return _CUT[last.finish_reason]
    if own_reason(last) is not None:
        return "ended"
    if any(draft.result is None for draft in last.calls):
        return "tools not run"
    choices = choices_of(last)
    has_answer = last.calls or any(each.has_media or str(each.text).strip() for each in choices)
    has_refusal = any(len(each.refusal) for each in choices)
    return "" if has_answer else "refused" if has_refusal else "empty"


def own_reason(last: Round) -> tuple[int, str] | None:
    """The choice that ended for a reason of the provider's own, and that reason; None: none did."""
    for index, choice in sorted({0: last, **last.alternatives}.items()):
        word = " ".join((choice.finish_reason or "").split())
        if word and word.lower() not in OWN_END_REASONS | CALL_REASONS:
            return index, word
    return None


def choices_of(last: Round) -> tuple[Round, ...]:
    """All choices of a round, where `n` was asked for."""
    return (last, *last.alternatives.values())


def is_half(response: Response) -> bool:
    """Whether it was cut inside a tool call."""
    return bool(response.rounds) and response.rounds[-1].has_half_call
