"""Which tool call a piece of a stream belongs to.

The API says: by `index`. Servers leave the index out, send 0 for every call, send an id
with each piece, a new one each time, or none; they send arguments piece by piece, all
at once, everything so far each time, or as an object. Where two readings remain, the one
is taken that leaves wrong arguments unparsable, because such a call is never run.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..buffers import TextBuffer
from ..events import ToolCallEvent
from ..messages import short_id
from .bounds import MAX_CALLS, Room

__all__ = ["CallSlots", "made_up_ids"]

_LONGEST_NAME = 1_000  # characters, behind which no more pieces are added; functions have 64
_MAX_PARSED = 2**22  # characters of one call's arguments that are parsed to see if they are whole,
_MAX_REREAD = 32  # and how often all of them
_OWN_FIELDS = frozenset({"index", "id", "type", "function"})


def made_up_ids(place: str = "") -> Callable[[], str]:
    """Makes the ids of calls whose provider sent none.

    Args:
        place: where the round stands in its conversation. The ids follow from it and from the
            order of the calls, so that equal conversations are equal requests.
    """
    return (short_id(f"{place}.{number}") for number in itertools.count()).__next__


class CallSlots:
    """The tool calls of one choice, while they stream in.

    Args:
        choice: the choice's index, which the events carry.
        new_id: makes the id of a call that came without.
        room: how many calls may still open, shared by the choices of an answer.

    Attributes:
        are_too_many: whether there was no room for one, which is left out with all behind it.
    """

    def __init__(
        self, choice: int, new_id: Callable[[], str] | None = None, room: Room | None = None
    ) -> None:
        self._choice = choice
        self._new_id = new_id or made_up_ids()
        self._room = room or Room(MAX_CALLS)
        self.are_too_many = False
        self._slots: list[_Slot] = []
        self._holding: dict[int, _Slot] = {}  # those that hold arguments back
        self._by_index: dict[int | str, _Slot] = {}
        self._by_id: dict[str, _Slot] = {}

    def feed(self, entries: Sequence[Any]) -> list[ToolCallEvent]:
        """Take the `tool_calls` of one chunk; return what is new in them."""
        named_here: set[int] = set()
        events = []
        for fields in entries:
            if not isinstance(fields, Mapping):
                continue
            entry = _Entry(fields)
            slot = self._find(entry, named_here)
            is_new = slot is None
            if slot is None:
                if not self._room.take():
                    self.are_too_many = True
                    break
                slot = self._open(entry)
            if entry.name:
                named_here.add(slot.number)
            event = self._update(slot, entry, is_new=is_new)
            if slot.is_holding:
                self._holding[slot.number] = slot
            if event is not None:
                events.append(event)
        return events

    def flush(self) -> list[ToolCallEvent]:
        """Return the arguments that were held back: the calls end here."""
        pieces = [(number, slot.flush()) for number, slot in sorted(self._holding.items())]
        self._holding.clear()
        return [
            ToolCallEvent(number, arguments=piece, choice=self._choice)
            for number, piece in pieces
            if piece
        ]

    def _find(self, entry: _Entry, named_here: set[int]) -> _Slot | None:
        """The call that goes on with `entry`, or None for a new one."""
        slot = self._by_id.get(entry.id)
        if entry.index is not None:
            if slot is None or slot.index != entry.index:
                slot = self._by_index.get(entry.index)
        elif slot is None and self._slots and not entry.name:
            slot = self._slots[-1]
        if slot is None or slot.is_other(entry, named=slot.number in named_here):
            return None
        return slot

    def _open(self, entry: _Entry) -> _Slot:
        slot = _Slot(len(self._slots), entry.index)
        self._slots.append(slot)
        if entry.index is not None:
            self._by_index[entry.index] = slot
        return slot

    def _update(self, slot: _Slot, entry: _Entry, *, is_new: bool) -> ToolCallEvent | None:
        new_id = None
        if entry.id:
            is_taken = self._by_id.get(entry.id, slot) is not slot
            self._by_id[entry.id] = slot
            if not slot.id and not is_taken:
                slot.id = new_id = entry.id
        new_name = slot.named(entry.name)
        if is_new and new_id is None:
            new_id = self._new_id()
        arguments = slot.add(entry.arguments)
        if not (new_id or new_name or arguments or entry.extra):
            return None
        return ToolCallEvent(slot.number, new_id, new_name, arguments, entry.extra, self._choice)


class _Entry:
    """One item of `tool_calls`, with every field of the type that the API gives it."""

    __slots__ = ("arguments", "extra", "id", "index", "name")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        index, call_id = fields.get("index"), fields.get("id")
        self.index: int | str | None = index if type(index) in (int, str) else None
        self.id = str(call_id) if type(call_id) is int else _text(call_id)
        function = fields.get("function")
        function = function if isinstance(function, Mapping) else {}
        self.name = _text(function.get("name"))
        self.arguments = _arguments(function.get("arguments"))
        self.extra = {
            name: value
            for name, value in fields.items()
            if name not in _OWN_FIELDS and value is not None
        }


class _Slot:
    """One call. `id` is the provider's, or empty."""

    __slots__ = (
        "_held",
        "_is_cumulative",
        "_is_empty_object",
        "_parsed",
        "_size",
        "_text",
        "id",
        "index",
        "name",
        "number",
    )

    def __init__(self, number: int, index: int | str | None) -> None:
        self.number = number
        self.index = index
        self.id = ""
        self.name = ""
        self._text = TextBuffer()
        self._size = 0  # characters of it: a buffer counts for many threads, which costs more
        self._held = ""
        self._is_cumulative = False
        self._is_empty_object = False
        self._parsed = 0

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    def is_other(self, entry: _Entry, *, named: bool) -> bool:
        """Whether `entry` is another call, though its index or id is this slot's.

        Args:
            entry: the next piece.
            named: whether a piece of the same chunk has given this slot its name.
        """
        is_next = entry.name and entry.arguments.strip() and self._size and self._is_whole()
        if is_next and not self._repeats(entry):
            return True
        if self.id and entry.id:
            # vLLM and Poolside have sent a new id with each piece of one call; a new call
            # has a name, or comes when the last one is whole.
            is_new = entry.name or (entry.arguments and self._is_whole())
            return entry.id != self.id and bool(is_new)
        if not (entry.name and self.name):
            return False
        # No ids: Gemini sends whole calls, all at index 0.
        return named or (self._is_whole() and not self._repeats(entry))

    def named(self, piece: str) -> str | None:
        """Take a name, or the next piece of it; return the name so far where it is new.

        Some servers send the name in pieces, others the whole name with each chunk, or all of
        it so far. It is over when the arguments begin.
        """
        if not piece or piece == self.name or (self.name and self._has_begun()):
            return None
        if len(self.name) > _LONGEST_NAME:
            return None
        self.name = piece if piece.startswith(self.name) else self.name + piece
        return self.name

    def _has_begun(self) -> bool:
        return bool(self._size or self._is_empty_object)

    def add(self, piece: str) -> str:
        """Take the next piece of the arguments; return what is new in it.

        A piece that begins with everything so far is either all of the arguments so far,
        or an object in an object that happens to look like it: the next piece tells, so
        it is held until then. That drops whole arguments that are sent once more, too.
        """
        if not piece:
            return ""
        if not self._size and piece.strip() == "{}":
            self._is_empty_object = True  # what proxies of Anthropic's send before the first piece
            return ""
        if self._held:
            held, self._held = self._held, ""
            self._is_cumulative = piece.startswith(held)
            if not self._is_cumulative:
                return self._append(held) + self.add(piece)
        elif self._continues(piece) and not self._is_cumulative:
            self._held = piece
            return ""
        is_whole = self._is_cumulative and self._continues(piece)
        return self._append(piece[self._size :] if is_whole else piece)

    def flush(self) -> str:
        """Return what was held: the reading of it that is JSON."""
        held, self._held = self._held, ""
        if not held:
            return ""
        is_whole = _is_json(held) and not _is_json(str(self._text) + held)
        return self._append(held[self._size :] if is_whole else held)

    def _append(self, text: str) -> str:
        self._text.append(text)
        self._size += len(text)
        return text

    def _continues(self, piece: str) -> bool:
        return 0 < self._size <= len(piece) and piece.startswith(str(self._text))

    def _repeats(self, entry: _Entry) -> bool:
        return entry.name == self.name and (entry.arguments or "{}") == (str(self._text) or "{}")

    def _is_whole(self) -> bool:
        """Whether the arguments are whole JSON, as far as is worth looking.

        A hostile stream could have a long text parsed again for each brace behind it.
        """
        size = self._size
        if not size:
            return self._is_empty_object
        self._parsed += size
        if self._parsed > _MAX_PARSED + _MAX_REREAD * size:
            return False
        return _is_json(str(self._text))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _is_json(text: str) -> bool:
    if not text.rstrip().endswith("}"):  # cheap, and true of all arguments
        return False
    try:
        json.loads(text, strict=False)  # models leave line breaks in texts as they are
    except (ValueError, RecursionError):
        return False
    return True
