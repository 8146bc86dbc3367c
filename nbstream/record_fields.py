"""The fields of a saved record, each read as what it must be.

A record can come from anybody: in a notebook, in a pickle, in the file of a conversation. What
is of another type than it is shown as would only fail much later, in the midst of showing it.
So every `from_dict` reads its fields from here, and what each of them asks for is the schema of
the record. Every error is a ValueError of one line that says where the value stands.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

__all__ = ["Fields"]

_T = TypeVar("_T")

_MAX_LEVELS = 32  # records in records; one of ours has five
_MAX_DEPTH = 250  # nested containers in a value that is kept as it came, as for a stream
_MAX_ENTRIES = 2**20  # of a list of messages, rounds or calls
_MAX_TEXT = 2**30  # characters, as many as a whole stream may have
_MAX_NUMBER = 10**15  # seconds and token counts; nobody has more
_SHOWN = 40  # characters of a wrong value
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")

_REQUIRED: Any = object()


class Fields:
    """One object of a record.

    Args:
        value: what should be an object with names as keys.
        where: the path to it, such as `rounds[0]`; "" is the record itself.
        level: how many records it stands in.

    Every method takes the field's name. A field without a `default` has to be there.

    Raises:
        ValueError: it is none; the methods raise it for a field that is not what it must be.
    """

    __slots__ = ("_data", "_level", "_where")

    def __init__(self, value: Any, where: str = "", level: int = 0) -> None:
        self._where = where
        self._level = level
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise _wrong(where or "the record", value)
        if level > _MAX_LEVELS:
            raise ValueError(f"{where[:_SHOWN]}… is nested more than {_MAX_LEVELS} records deep")
        self._data: Mapping[str, Any] = value

    @classmethod
    def of(cls, value: Any) -> Fields:
        """The fields of `value`, which may be fields already: a part knows where it stands."""
        return value if isinstance(value, cls) else cls(value)

    def text(self, name: str, default: Any = _REQUIRED) -> str:
        value = self._get(name, default)
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            raise self._wrong(name, value)
        return value

    def text_or_none(self, name: str, *, is_required: bool = False) -> str | None:
        value = self._get(name, _REQUIRED if is_required else None)
        return None if value is None else self.text(name)

    def choice(self, name: str, words: tuple[_T, ...], default: Any = _REQUIRED) -> _T:
        """One of these words."""
        value = self._get(name, default)
        for word in words:
            if type(value) is type(word) and value == word:
                return word
        raise self._wrong(name, value)

    def flag(self, name: str, *, default: Any = False) -> bool:
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, value)
        return value

    def number(self, name: str) -> float | None:
        """A number that is finite and not negative, or None."""
        value: float | None = self._get(name, None)
        if value is not None and not (_is_number(value) and 0 <= value <= _MAX_NUMBER):
            raise self._wrong(name, value)
        return value

    def count(self, name: str, *, is_required: bool = False) -> int | None:
        """A whole number that is not negative, or None where it need not be there."""
        value = self.number(name)
        if value is None and is_required:
            raise self._wrong(name, value)
        if value is not None and value != int(value):
            raise self._wrong(name, value)
        return None if value is None else int(value)

    def word_or_number(self, name: str) -> str | int | None:
        """A text or a whole number, as the codes of errors are, or None."""
        value = self._get(name, None)
        return value if isinstance(value, str) else self.count(name)

    def part(self, name: str) -> Fields:
        """The record in a field."""
        return self._part(self._path(name), self._get(name))

    def part_or_none(self, name: str) -> Fields | None:
        return None if self._get(name, None) is None else self.part(name)

    def parts(self, name: str, default: Any = _REQUIRED) -> Iterator[Fields]:
        """The records in a list."""
        value = self._get(name, default)
        if not isinstance(value, list | tuple) or len(value) > _MAX_ENTRIES:
            raise self._wrong(name, value)
        for number, entry in enumerate(value):
            yield self._part(f"{self._path(name)}[{number}]", entry)

    def counts(self, name: str) -> list[int | None]:
        """A list of whole numbers."""
        value = self._get(name)
        if not isinstance(value, list | tuple) or len(value) > _MAX_ENTRIES:
            raise self._wrong(name, value)
        entries = Fields({str(at): each for at, each in enumerate(value)}, self._path(name))
        return [entries.count(at) for at in entries.names]

    def numbered_parts(self, name: str) -> Iterator[tuple[int, Fields]]:
        """The records in an object whose keys are whole numbers, which JSON has as texts."""
        value = self._get(name, {})
        if not isinstance(value, Mapping) or len(value) > _MAX_ENTRIES:
            raise self._wrong(name, value)
        for key, entry in value.items():
            if not isinstance(key, str) or not _is_whole(key):
                raise ValueError(f"{self._path(name)} cannot have the key {_excerpt(key)}")
            yield int(key), self._part(f"{self._path(name)}.{key}", entry)

    def json(self, name: str) -> dict[str, Any]:
        """An object that is kept as it came: any JSON, not too deep."""
        value = self._get(name, {})
        if not isinstance(value, Mapping):
            raise self._wrong(name, value)
        _check_json(value, self._path(name))
        return dict(value)

    def texts(self, name: str) -> dict[str, str]:
        """An object whose values are all text."""
        value = Fields(self._get(name, {}), self._path(name), self._level)
        return {key: value.text(key) for key in value.names}

    def without(self, *names: str) -> dict[str, Any]:
        """All other fields, kept as they came."""
        rest = {name: value for name, value in self._data.items() if name not in names}
        _check_json(rest, self._where or "the record")
        return rest

    def is_list(self, name: str) -> bool:
        return isinstance(self._data.get(name), list | tuple)

    def is_text(self, name: str) -> bool:
        return isinstance(self._data.get(name), str)

    @property
    def names(self) -> list[str]:
        return list(self._data)

    def check_names(self, *known: str) -> None:
        """Raise ValueError where there is a field more."""
        for name in self._data:
            if name not in known:
                raise ValueError(f"{self._where or 'the record'} has no field {_excerpt(name)}")

    def wrong(self, name: str) -> ValueError:
        """The error for a field that is there and is not what it must be."""
        return self._wrong(name, self._data.get(name))

    def _get(self, name: str, default: Any = _REQUIRED) -> Any:
        value = self._data.get(name, default)
        if value is _REQUIRED:
            raise ValueError(f"{self._path(name)} is missing")
        return value

    def _part(self, where: str, value: Any) -> Fields:
        return Fields(value, where, self._level + 1)

    def _path(self, name: str) -> str:
        if not _PLAIN_NAME.fullmatch(name):  # a stranger's, in an object of any names
            return f"{self._where}[{_excerpt(name)}]"
        return f"{self._where}.{name}" if self._where else name

    def _wrong(self, name: str, value: Any) -> ValueError:
        return _wrong(self._path(name), value)


def _wrong(where: str, value: Any) -> ValueError:
    return ValueError(f"{where} cannot be {_excerpt(value)}")


def _excerpt(value: Any) -> str:
    """A value in few words on one line."""
    if isinstance(value, str):
        shown = json.dumps(value[:_SHOWN])
        return shown[:_SHOWN] + ("…" if len(value) > _SHOWN or len(shown) > _SHOWN else "")
    if isinstance(value, Mapping):
        return "an object" if value else "{}"
    if isinstance(value, list | tuple):
        return "a list" if value else "[]"
    if value is None or isinstance(value, bool | float):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_SHOWN else "a number of that size"
    return f"a Python object ({type(value).__name__})"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and len(text) <= 20


def _check_json(value: Any, where: str) -> None:
    """Raise ValueError where a value is not JSON, or nested too deeply; without recursion."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, Mapping):
                if not all(isinstance(key, str) for key in each):
                    raise ValueError(f"{where} has a key that is not a text")
                below += each.values()
            elif isinstance(each, list | tuple):
                below += each
            elif not _is_plain(each):
                raise ValueError(f"{where} holds {_excerpt(each)}, which JSON does not have")
        if not below:
            return
        level = below
    raise ValueError(f"{where} is nested more than {_MAX_DEPTH} levels deep")


def _is_plain(value: Any) -> bool:
    if isinstance(value, int):  # Python reads and writes no more than 4,300 digits
        return value.bit_length() <= 14_285
    return value is None or isinstance(value, str) or _is_finite(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)
