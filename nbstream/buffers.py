"""Text that only grows."""

from __future__ import annotations

__all__ = ["TextBuffer"]

_COMPACT_AT = 4096  # pieces; keeps memory near the text itself for very long answers


class TextBuffer:
    """Text that only grows: O(1) to append, O(new) to read what came since an offset.

    A view keeps an offset (in characters) and reads `since(offset)` at each frame, so
    that a long answer is never joined again for a short piece of news.
    """

    __slots__ = ("_length", "_loose", "_parts")

    def __init__(self, text: str = "") -> None:
        self._parts: list[str] = [text] if text else []
        self._length = len(text)
        self._loose = 0

    def append(self, text: str) -> None:
        """Add `text` at the end."""
        if not text:
            return
        self._parts.append(text)
        self._length += len(text)
        self._loose += 1
        if self._loose >= _COMPACT_AT:
            self._parts[-self._loose :] = ["".join(self._parts[-self._loose :])]
            self._loose = 0

    def since(self, offset: int) -> str:
        """The text from character `offset` on."""
        wanted = self._length - offset
        if wanted <= 0:
            return ""
        pieces: list[str] = []
        for part in reversed(self._parts):
            if wanted <= len(part):
                pieces.append(part[len(part) - wanted :])
                break
            pieces.append(part)
            wanted -= len(part)
        return "".join(reversed(pieces))

    def __str__(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
            self._loose = 0
        return self._parts[0] if self._parts else ""

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"TextBuffer({str(self)!r})"
