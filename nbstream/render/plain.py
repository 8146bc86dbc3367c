"""A text that the renderer fails on, as a view shows it all the same: to the letter."""

from __future__ import annotations

from html import escape
from typing import Any

from .safe_text import clean

__all__ = ["PlainDocument"]

_OPENING = "<pre>\n"  # a line break of the text at its very beginning would be lost


class PlainDocument:
    """As a `Document` of `patches.py`, whose text is no markdown."""

    def __init__(self) -> None:
        self._news: list[str] = []
        self._shown: list[str] = []

    def feed(self, text: str) -> None:
        """More of the text."""
        self._news.append(text)

    def patch(self) -> list[list[Any]]:
        """The operations from what the last call left to now; none if nothing came."""
        text = clean("".join(self._news))
        self._news.clear()
        if not text:
            return []
        is_first = not self._shown
        self._shown.append(text)
        return [
            ["tail", 0, _OPENING + escape(text, quote=False)] if is_first else ["text", 1, text]
        ]

    close = patch

    def snapshot(self) -> dict[str, Any]:
        """The whole page as the last `patch` left it."""
        tail = _OPENING + escape("".join(self._shown), quote=False) if self._shown else ""
        return {"blocks": [], "open": None, "tail": tail, "after": ""}
