"""A displayed formula that is being written: its text, line by line, without a parser.

It is shown as code until it is closed, so nothing about it changes but its length.
"""

from __future__ import annotations

import re

from .math import closing_of

__all__ = ["OpenFormula"]

_LONGEST = 2_000  # characters that are shown as code


class OpenFormula:
    """Takes the lines of a formula as long as they are nothing else.

    Args:
        before: what stands before the formula in its first line: nothing, or the marks of
            quotes and items.
        opening: what it begins with.
        text: the formula so far, without `before`.

    Attributes:
        source: the formula's text, without what stands before its lines.
    """

    def __init__(self, before: str, opening: str, text: str) -> None:
        quotes = before.count(">")
        is_mixed = quotes > 0 and before.strip("> ") != ""
        self._prefix = re.compile(rf"(?: {{0,3}}> ?){{{quotes}}}" if quotes else " " * len(before))
        self._begin = len(opening)
        self._closing = closing_of(opening) or ""
        self._done = ""
        self._line = re.sub(r"[^\s>]", " ", before)  # of the text, with what stands before it
        self.source = ""
        self._is_known = not is_mixed and "\t" not in before and self._read(text)

    def takes(self, text: str) -> bool:
        """Whether `text`, which came, is more of the formula and does not end it."""
        self._is_known = self._is_known and self._read(text)
        return self._is_known

    def _read(self, text: str) -> bool:
        *complete, last = (self._line + text).split("\n")
        contents = [self._content(line) for line in complete]
        if any(content is None or not content.strip() for content in contents):
            return False
        done = "".join([self._done, *(f"{content}\n" for content in contents)])
        content = self._content(last)
        if content is None and last.strip("> "):
            return False
        source = done + (content or "")
        start = max(self._begin, len(self.source) - len(self._closing))
        if len(source) > _LONGEST or source.find(self._closing, start) >= 0:
            return False
        self._done, self._line, self.source = done, last, source
        return True

    def _content(self, line: str) -> str | None:
        """`line` without what stands before it; None where something else does."""
        found = self._prefix.match(line)
        return line[found.end() :] if found and "\t" not in line else None
