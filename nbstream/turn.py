"""The tool loop of a turn, as a generator of effects: it decides, and does nothing.

    ask -> the model answers with calls -> run them -> ask again -> ... -> it answers

Whoever runs it (`driver.py`) carries each effect out and sends back what came of it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from .errors import IncompleteError
from .messages import Message
from .rounds import CUT_REASONS, Round

__all__ = ["Ask", "Effect", "RunCalls", "tool_loop"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Send these messages, and send back the `Round` that answers."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class RunCalls:
    """Run the calls of this round, each of which then has its result."""

    round: Round


Effect = Ask | RunCalls


def tool_loop(
    messages: tuple[Message, ...],
    *,
    has_tools: bool,
    max_rounds: int,
    how_to_go_on: str = "%chat continue",
) -> Generator[Effect, Round | None, None]:
    """What to do, one thing after the other, until the model has answered.

    Args:
        messages: the conversation, system message first.
        has_tools: whether calls are answered at all.
        max_rounds: how many requests there may be.
        how_to_go_on: what to type for more of them, or "" where nothing goes on.

    Raises:
        IncompleteError: the model still asks for calls after so many requests.
    """
    for number in range(1, max_rounds + 1):
        answer = yield Ask(messages)
        assert answer is not None
        if not (has_tools and wants_calls(answer)):
            return
        if number == max_rounds:
            break
        yield RunCalls(answer)
        messages += (answer.message(), *answer.results())
    text = f"stopped after {max_rounds} rounds of tools · --max-rounds N allows more"
    raise IncompleteError(f"{text}, {how_to_go_on} goes on" if how_to_go_on else text)


def wants_calls(answer: Round) -> bool:
    """Whether the calls of an answer may be run: it is whole, and nothing was cut off."""
    return bool(answer.calls) and answer.ended and answer.finish_reason not in CUT_REASONS
