"""Fields that come in pieces, put together: each piece costs what it is long."""

from __future__ import annotations

import json
from typing import Any, Protocol, TypeVar

from .bounds import MAX_ENTRIES, MAX_FIELDS

__all__ = ["Pieces"]

_T = TypeVar("_T")

_COLLECTED = frozenset({"annotations", "content_parts", "images"})
_FRAGMENTED = frozenset({"reasoning_details", "thinking_blocks"})
_GROWING = ("text", "summary", "thinking")  # of a fragment: pieces of one text


class Pieces:
    """Puts the values of fields together, in the records that hold them."""

    def __init__(self) -> None:
        # By the identity of a record, which is kept with its list so that it stays its own.
        self._lists: dict[tuple[int, str], tuple[dict[str, Any], _List]] = {}

    def add(self, fields: dict[str, Any], name: str, value: Any) -> None:
        """Put the next `value` of a field together with what came of it before.

        What is in `fields` is the round's own and grows in place; `value` is the event's
        and stays as it is. A field more than there may be is left out.
        """
        if name not in fields and len(fields) >= MAX_FIELDS:
            return
        if isinstance(value, list) and (name in _FRAGMENTED or name in _COLLECTED):
            known = self._list(fields, name)
            for entry in value:
                known.add(entry)
        elif name == "logprobs" and isinstance(value, dict):
            _add_lists(_own(fields, name, dict), value)
        elif name == "audio" and isinstance(value, dict):
            _add_audio(_own(fields, name, dict), value)
        elif isinstance(value, dict):
            _unite(_own(fields, name, dict), value)
        else:
            fields[name] = value

    def _list(self, fields: dict[str, Any], name: str) -> _List:
        entries = _own(fields, name, list)
        _, known = self._lists.get((id(fields), name), (fields, None))
        if known is None or known.entries is not entries:
            known = _Blocks(entries) if name in _FRAGMENTED else _Entries(entries)
            self._lists[id(fields), name] = fields, known
        return known


class _List(Protocol):
    entries: list[Any]

    def add(self, entry: Any) -> object: ...


class _Entries:
    """A list in which each entry stands once, however often it is sent."""

    def __init__(self, entries: list[Any]) -> None:
        self.entries = entries
        self._seen = {_mark(entry) for entry in entries}

    def add(self, entry: Any) -> None:
        mark = _mark(entry)
        if mark not in self._seen and len(self.entries) < MAX_ENTRIES:
            self._seen.add(mark)
            self.entries.append(entry)


class _Blocks:
    """A provider's reasoning blocks, put together again as it wants them back.

    A stream carries one block in many fragments: text grows, other fields (signature,
    id, format) are set by whichever fragment has them. Encrypted `data` is never joined.
    """

    def __init__(self, blocks: list[Any]) -> None:
        self.entries = blocks
        self._whole: set[int] = set()  # the marks of blocks to which nothing comes any more
        self._last: dict[Any, dict[str, Any]] = {}  # by type, and by type and index

    def add(self, fragment: Any) -> None:
        if not isinstance(fragment, dict):
            return
        block = self._block_of(fragment)
        if block is None:
            self._open(dict(fragment))
            return
        for name, value in fragment.items():
            if name in _GROWING and isinstance(value, str):
                _grow(block, name, value)
            elif value or name not in block:
                block[name] = value

    def _open(self, block: dict[str, Any]) -> None:
        kind, index = _name(block.get("type")), _name(block.get("index"))
        last = self._last.get(kind)
        if last is not None and last != block:
            self._whole.add(_mark(last))
        mark = _mark(block)
        # Some servers send all blocks again at the end.
        if block == last or mark in self._whole or len(self.entries) >= MAX_ENTRIES:
            return
        self.entries.append(block)
        if block.get("data"):
            self._whole.add(mark)
        else:
            self._last[kind] = self._last[kind, index] = block

    def _block_of(self, fragment: dict[str, Any]) -> dict[str, Any] | None:
        """The block that `fragment` continues, or None where it begins one."""
        kind, index = _name(fragment.get("type")), _name(fragment.get("index"))
        block = self._last.get(kind if index is None else (kind, index))
        if block is None or block.get("data"):
            return None
        if index is None and block.get("signature"):
            return None  # Anthropic signs a block when it is whole
        ids = block.get("id"), fragment.get("id")  # of any kind: this is a stranger's JSON
        return block if None in ids or ids[0] == ids[1] else None


def _mark(entry: Any) -> int:
    """What tells entries apart, without one being compared with each other one."""
    return hash(json.dumps(entry, sort_keys=True, default=repr))


def _name(value: Any) -> Any:
    """A value as a key: strangers send lists and objects too."""
    return value if value is None or isinstance(value, str | int) else json.dumps(value)


def _own(fields: dict[str, Any], name: str, kind: type[_T]) -> _T:
    """The container `fields[name]`; a new one where it is missing or of another kind."""
    value = fields.get(name)
    if not isinstance(value, kind):
        value = fields[name] = kind()
    return value


def _unite(old: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if name not in old and len(old) >= MAX_FIELDS:
            continue
        if isinstance(value, dict):
            _unite(_own(old, name, dict), value)
        elif value is not None or name not in old:
            old[name] = value


def _add_lists(old: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, list) and (name in old or len(old) < MAX_FIELDS):
            _own(old, name, list).extend(value)


def _add_audio(old: dict[str, Any], new: dict[str, Any]) -> None:
    """`data` becomes a list of base64 texts, each of its own; `transcript` is one text."""
    for name, value in new.items():
        if name not in old and len(old) >= MAX_FIELDS:
            continue
        if name == "data" and value:
            _own(old, name, list).append(value)
        elif name == "transcript" and isinstance(value, str):
            _grow(old, name, value)
        elif value is not None:
            old[name] = value


def _grow(fields: dict[str, Any], name: str, piece: str) -> None:
    text = fields.get(name)
    if not isinstance(text, str):
        fields[name] = piece
        return
    fields[name] = ""  # the only reference is `text` now: CPython appends in place
    text += piece
    fields[name] = text
