"""Text that only grows."""

from __future__ import annotations

import threading

__all__ = ["TextBuffer"]

_COMPACT_AT = 4096  # pieces; keeps memory near the text itself for very long answers


class TextBuffer:
    """Text that only grows: O(1) to append, O(new) to read what came since an offset.

    A view keeps an offset (in characters) and reads `since(offset)` at each frame, so
    that a long answer is never joined again for a short piece of news.

    Any number of threads may append and read. To append is one step of the list's own, and
    waits for nobody. What readers find out (how much there is, and which pieces are joined)
    changes under a lock, and never touches what was appended meanwhile.
    """

    __slots__ = ("_counted", "_joined", "_length", "_lock", "_parts")

    def __init__(self, text: str = "") -> None:
        self._parts: list[str] = [text] if text else []
        self._lock = threading.Lock()
        self._counted = 0  # pieces ...
        self._length = 0  # ... and their characters
        self._joined = 0  # pieces at the beginning that were joined from many

    def append(self, text: str) -> None:
        """Add `text` at the end."""
        if text:
            self._parts.append(text)

    def since(self, offset: int) -> str:
        """The text from character `offset` on."""
        pieces: list[str] = []
        with self._lock:
            wanted = self._count() - offset
            at = self._counted
            while wanted > 0 and at:
                at -= 1
                part = self._parts[at]
                pieces.append(part[-wanted:])
                wanted -= len(part)
        return "".join(reversed(pieces))

    def __str__(self) -> str:
        with self._lock:
            self._count()
            if self._counted > 1:
                self._join(0)
            return self._parts[0] if self._counted else ""

    def __len__(self) -> int:
        with self._lock:
            return self._count()

    def __bool__(self) -> bool:
        return bool(self._parts)

    def __repr__(self) -> str:
        return f"TextBuffer({str(self)!r})"

    def _count(self) -> int:
        """How many characters there are, those counted that came since the last time."""
        new = self._parts[self._counted :]
        if new:
            length, counted = self._length + sum(map(len, new)), self._counted + len(new)
            self._length, self._counted = length, counted  # no interrupt comes in between
            if counted - self._joined >= _COMPACT_AT:
                self._join(self._joined)
        return self._length

    def _join(self, first: int) -> None:
        """Make one piece of those from `first` on that are counted."""
        whole = ["".join(self._parts[first : self._counted])]
        self._parts[first : self._counted] = whole
        self._counted = self._joined = first + 1
