"""How many of each thing one answer may hold.

The bytes of a line and of a stream are bounded where they are framed (`sse.py`). A short line
can hold very many things all the same, and each of them costs far more here than on the wire.
No honest server comes near these numbers. Beyond them the stream ends with an error where what
is left out would be a part of the answer (choices, tool calls); fields that nobody reads, and
entries of lists that are only kept, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

__all__ = [
    "MAX_CALLS",
    "MAX_CHOICES",
    "MAX_ENTRIES",
    "MAX_FIELDS",
    "MAX_OBJECTS",
    "Room",
    "cut",
    "too_many",
]

MAX_CHOICES = 1_024  # OpenAI's `n` goes to 128
MAX_CALLS = 1_024  # tool calls of all choices; OpenAI takes 128 tools
MAX_OBJECTS = 1_024  # of an event that is a list of them
MAX_FIELDS = 256  # names in an object that is not understood, and in a chunk, choice or delta
MAX_ENTRIES = 10_000  # of a list that is kept: annotations, images, parts, blocks of reasoning


class Room:
    """Room for so many of a thing in one answer."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self) -> bool:
        """Whether there is room for one more, which then is taken."""
        self._left -= 1
        return self._left >= 0


def too_many(what: str, most: int) -> str:
    """The error for more of a thing than an answer may hold."""
    return f"the answer has more than {most:,} {what}"


def cut(chunk: Any) -> tuple[Any, str]:
    """What of a chunk is read at all, and why the stream ends here, or "".

    It is looked at before anything is done with each of its values.
    """
    if not isinstance(chunk, dict):
        return chunk, ""
    chunk = _first_fields(chunk)
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return chunk, ""
    if len(choices) > MAX_CHOICES:
        return chunk | {"choices": []}, too_many("choices", MAX_CHOICES)
    if any(len(calls) > MAX_CALLS for calls in _lists_of_calls(choices)):
        return chunk | {"choices": []}, too_many("tool calls", MAX_CALLS)
    return chunk | {"choices": [_cut_choice(choice) for choice in choices]}, ""


def _cut_choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    parts = {name: _first_fields(choice[name]) for name in _MESSAGES if name in choice}
    return _first_fields(choice | parts)


_MESSAGES = ("delta", "message")


def _lists_of_calls(choices: list[Any]) -> Iterator[list[Any]]:
    for choice in choices:
        for name in _MESSAGES if isinstance(choice, dict) else ():
            message = choice.get(name)
            calls = message.get("tool_calls") if isinstance(message, dict) else None
            if isinstance(calls, list):
                yield calls


def _first_fields(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > MAX_FIELDS:
        return dict(islice(value.items(), MAX_FIELDS))
    return value
