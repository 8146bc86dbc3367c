"""JSON laid out for reading, while it still grows."""

from __future__ import annotations

__all__ = ["JSONIndenter", "indented"]

_STEP = "  "
_SPACE = " \t\r\n"


class JSONIndenter:
    """Lays out JSON text piece by piece: what it has given never changes.

    It follows brackets and strings only, so that what is no JSON comes out readable too,
    with every character that is not space between tokens.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._is_escaped = False
        self._opened = False  # a bracket, of which it is not known yet whether it is empty

    def feed(self, piece: str) -> str:
        """The next piece, laid out."""
        return "".join(map(self._character, piece))

    def _character(self, c: str) -> str:
        if self._in_string:
            return self._in(c)
        if c in _SPACE:
            return ""
        if c in "}]":
            self._depth = max(0, self._depth - 1)
            before = "" if self._opened else self._line()
            self._opened = False
            return before + c
        before = self._line() if self._opened else ""
        self._opened = c in "{["
        self._depth += self._opened
        self._in_string = c == '"'
        if c == ",":
            return f"{before},{self._line()}"
        return f"{before}: " if c == ":" else before + c

    def _in(self, c: str) -> str:
        if self._is_escaped:
            self._is_escaped = False
        elif c == "\\":
            self._is_escaped = True
        elif c == '"':
            self._in_string = False
        return " " if c == "\n" else c  # JSON has no line breaks in strings

    def _line(self) -> str:
        return "\n" + _STEP * self._depth


def indented(text: str) -> str:
    """All of a JSON text, laid out."""
    return JSONIndenter().feed(text)
