"""A conversation with all its branches as a JSON file.

It says how to ask, but neither whom nor with which key: a file from somebody else must not
choose where a key is sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..chat import Chat
from ..conversation import Conversation, Turn
from ..errors import UsageError
from ..response import Response
from ..wire.json_values import is_deeper
from .record_schema import SCHEMA

__all__ = ["Record", "read_record", "write_record"]

_VERSION = 1
_DEEPEST = 100  # levels of nesting; a record has about ten, and those of what tools returned


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
    text = json.dumps(data, ensure_ascii=False, indent=1)
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
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no conversation: {error}") from error
    try:
        data = json.loads(text, parse_constant=lambda _: None)  # NaN, which JSON does not have
        if data["nbstream"] != _VERSION:
            raise ValueError(f"it is of version {data['nbstream']!r}, not {_VERSION}")
        if is_deeper(data, _DEEPEST):  # what reads it could run out of stack
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
        _check(data)
        names = ("model", "system", "temperature", "max_tokens")
        options = {name: data["options"].get(name) for name in names}
        return Record(options, _conversation(data))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"{path} is no conversation that `save` wrote ({reason})") from error


def _check(data: Any) -> None:
    """Raise ValueError where something in a record is of another type than it must be."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(SCHEMA).iter_errors(data):
        raise ValueError(f"{error.json_path} cannot be {json.dumps(error.instance)[:40]}")


def _turn_data(conversation: Conversation, turn: Turn, ended: set[int]) -> dict[str, Any]:
    before = conversation.before(turn)
    while before is not None and before.id not in ended:
        before = conversation.before(before)
    return {
        "id": turn.id,
        "after": None if before is None else before.id,
        "typed": turn.typed or "",
        "attached": [dict(part) for part in turn.attached],
        "response": turn.response.to_dict(),
    }


def _conversation(data: dict[str, Any]) -> Conversation:
    conversation = Conversation()
    turns: dict[int | None, Turn | None] = {None: None}
    for entry in data["turns"]:
        response = Response.from_dict(entry["response"])
        attached = tuple(dict(part) for part in entry["attached"])
        turns[entry["id"]] = conversation.add(
            response, turns[entry["after"]], typed=entry["typed"] or None, attached=attached
        )
    for turn_id in data["branch"]:
        turn = turns[turn_id]
        if turn is not None:
            conversation.choose(turn)
    return conversation
