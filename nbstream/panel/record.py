"""A conversation as JSON: with all its branches in a file, or turn by turn in a notebook.

A file says how to ask, but neither whom nor with which key: one from somebody else must not
choose where a key is sent. What a notebook keeps below a panel says neither: it holds the turns.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ..chat import Chat
from ..conversation import Conversation, Turn
from ..errors import UsageError
from ..messages import read_part
from ..record_fields import Fields
from ..render.saved import json_data
from ..response import Response
from ..wire.json_values import is_deeper

__all__ = [
    "CONVERSATION_TYPE",
    "Record",
    "place",
    "read_record",
    "read_turns",
    "turn_record",
    "turns_record",
    "write_record",
]

#: The media type of turns in an output of a notebook, which front ends ignore.
CONVERSATION_TYPE = "application/vnd.nbstream.conversation+json"

_VERSION = 1
_MOST_TURNS = 2_000  # that are read from a notebook: all of them are shown
_DEEPEST = 100  # levels of nesting; a record has about ten, and those of what servers sent
_MAX_FILE = 2**30  # bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What a file holds.

    Attributes:
        options: what `Chat` takes.
        conversation: the turns of all branches.
    """

    options: dict[str, Any]
    conversation: Conversation


def write_record(path: Path, chat: Chat) -> None:
    """Write a conversation; turns that still run are left out.

    Raises:
        UsageError: the file cannot be written.
    """
    conversation = chat.session.copy()
    ended = {turn.id for turn in conversation if turn.response.done}  # others may end meanwhile
    data = {
        "nbstream": _VERSION,
        "options": {
            "model": chat.options.model,
            "system": chat.session.system,
            "temperature": chat.options.temperature,
            "max_tokens": chat.options.max_tokens,
        },
        "turns": [
            _turn_data(conversation, turn, ended) for turn in conversation if turn.id in ended
        ],
        "branch": [turn.id for turn in conversation.branch if turn.id in ended],
    }
    # What a server sent may be nested more deeply than a file may be that is read again.
    text = json.dumps(json_data(data, deepest=_DEEPEST - 2), ensure_ascii=False, indent=1)
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def read_record(path: Path) -> Record:
    """What `write_record` wrote.

    Raises:
        UsageError: the file cannot be read, or is no conversation.
    """
    try:
        if path.stat().st_size > _MAX_FILE:
            raise UsageError(f"{path} is no conversation: it is larger than {_MAX_FILE:,} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no conversation: {error}") from error
    try:
        data = json.loads(text, parse_constant=lambda _: None)  # NaN, which JSON does not have
        record = _checked(data)
        return Record(_options(record.part("options")), _conversation(record))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"{path} is no conversation that `save` wrote ({reason})") from error


def turn_record(turn: Turn, response: Response) -> dict[str, Any]:
    """A turn as a notebook keeps it.

    Args:
        turn: the turn.
        response: its answer, in the form that is to be kept.
    """
    # Attached pictures stand in the question itself; a text would be a part of what was typed.
    attached = [dict(part) for part in turn.attached if part.get("type") == "text"]
    data = {"typed": turn.typed or "", "attached": attached, "response": response.to_dict()}
    kept: dict[str, Any] = json_data(data, deepest=_DEEPEST - 3)
    return kept


def turns_record(name: str, turns: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What one output keeps of the panel with this name: some of its turns, in order.

    Each has the fields of `turn_record` and of its `place`.
    """
    return {"nbstream": _VERSION, "panel": name, "turns": list(turns)}


def place(conversation: Conversation, turn: Turn, kept: Container[int]) -> dict[str, Any]:
    """Where a turn stands among those of a conversation that are kept, given by their ids."""
    before = conversation.before(turn)
    while before is not None and before.id not in kept:
        before = conversation.before(before)
    return {"id": turn.id, "after": None if before is None else before.id}


def read_turns(records: Iterable[Any]) -> Conversation:
    """The turns that outputs of a notebook hold; those of other branches are `aside`.

    Args:
        records: what `turns_record` made of each output; anybody may have written it.

    Raises:
        ValueError: they are not, or hold what is not a turn; one line says what.
    """
    conversation = Conversation()
    turns: dict[int | None, Turn] = {}
    last: Turn | None = None
    try:
        entries = chain.from_iterable(_checked(record).parts("turns") for record in records)
        for number, entry in enumerate(entries):
            if number == _MOST_TURNS:
                raise ValueError(f"it has more than {_MOST_TURNS:,} turns")
            turn = _add(conversation, entry, turns.get(entry.count("after")))
            _check_question(turn, entry)
            turns[entry.count("id", is_required=True)] = turn
            last = last if entry.flag("aside") else turn
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if last is not None:
        conversation.choose(last)
    return conversation


def _check_question(turn: Turn, entry: Fields) -> None:
    """Raise ValueError where more is sent than the one question that is shown."""
    if [message.role for message in turn.response.prompt] != ["user"]:
        raise entry.part("response").wrong("prompt")


def _checked(data: Any) -> Fields:
    if data["nbstream"] != _VERSION:
        raise ValueError(f"it is of version {data['nbstream']!r}, not {_VERSION}")
    if is_deeper(data, _DEEPEST):  # what reads it could run out of stack
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
    return Fields(data)


def _options(record: Fields) -> dict[str, Any]:
    return {
        "model": record.text_or_none("model"),
        "system": record.text_or_none("system"),
        "temperature": record.number("temperature"),
        "max_tokens": record.count("max_tokens"),
    }


def _turn_data(conversation: Conversation, turn: Turn, ended: set[int]) -> dict[str, Any]:
    return {
        **place(conversation, turn, ended),
        "typed": turn.typed or "",
        "attached": [dict(part) for part in turn.attached],
        "response": turn.response.to_dict(),
    }


def _conversation(record: Fields) -> Conversation:
    conversation = Conversation()
    turns: dict[int | None, Turn | None] = {None: None}
    for entry in record.parts("turns"):
        added = _add(conversation, entry, turns[entry.count("after")])
        turns[entry.count("id", is_required=True)] = added
    for turn_id in record.counts("branch"):
        turn = turns[turn_id]
        if turn is not None:
            conversation.choose(turn)
    return conversation


def _add(conversation: Conversation, entry: Fields, after: Turn | None) -> Turn:
    """Put the turn of a record after another one."""
    attached = tuple(read_part(part) for part in entry.parts("attached"))
    typed = entry.text("typed") or None
    return conversation.add(_response(entry), after, typed=typed, attached=attached)


def _response(turn: Fields) -> Response:
    """The answer of a turn, which has ended and has a question."""
    record = turn.part("response")
    if record.text("status") == "running":
        raise record.wrong("status")
    response = Response.from_dict(record)
    if not response.prompt:
        raise record.wrong("prompt")
    return response
