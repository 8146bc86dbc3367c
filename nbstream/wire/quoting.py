"""Where a place in growing markdown is: in a code fence, in inline code, between quotes, in prose.

An answer may speak of the marks of reasoning, or of tool calls: what it quotes marks nothing.
"""

from __future__ import annotations

import re

__all__ = ["Place"]

# Fences stand in lists and quotes too, where they are indented by more than three spaces.
_FENCE = re.compile(r"(?:[ \t>]|[-*+] |\d{1,9}[.)] )*(`{3,}|~{3,})(.*)")
_TICKS = re.compile("`+")
_BLANK_LINE = re.compile(r"[ \t]*\n[ \t]*\n")
_MAY_BE_BLANK_LINE = re.compile(r"[ \t]*(\n[ \t]*)?")
# What opens a quotation, and what closes it.
_QUOTES = {
    '"': '"',
    "'": "'",
    "(": ")",
    "“": "”",
    "«": "»",
    "„": "“”",
    "「": "」",
    "\u2018": "\u2019'",
}
_QUOTE = re.compile(rf"(?:^|[\s(\[{{=:,>])([{''.join(map(re.escape, _QUOTES))}])$")
_PUNCTUATION = ".,:;!?"
_SPACES = (" ", "\t")
_MAX_LINE = 4096  # characters of a line to look at
_MANY_PIECES = 1024


class Place:
    """A place that goes forward through a text.

    Most of the text is only `add`ed; it is read when the place is of interest.
    """

    def __init__(self) -> None:
        self.fences = 0  # how many were opened
        self._marker = ""  # of the fence that is open
        self._begin = ""  # of the line
        self._ticks = 0  # backticks that may have begun inline code in the line
        self._last = ""  # the last two characters
        self._unread: list[str] = []

    def add(self, text: str) -> None:
        """Go forward over `text`, which may end anywhere."""
        self._unread.append(text)
        if len(self._unread) >= _MANY_PIECES and "\n" in text:
            lines, _, rest = "".join(self._unread).rpartition("\n")
            self._unread.clear()
            self.read(f"{lines}\n")
            self._unread.append(rest)

    def read(self, text: str = "") -> None:
        """Go forward over `text`, to a mark: what follows is no backtick."""
        text = "".join((*self._unread, text))
        self._unread.clear()
        *lines, rest = text.split("\n")
        for line in lines:
            self._end_line((self._begin + line)[:_MAX_LINE])
            self._begin, self._ticks = "", 0
        self._begin += rest[: _MAX_LINE - len(self._begin)]
        for ticks in _TICKS.finditer(rest):
            size = len(ticks[0])
            if not self._ticks:
                self._ticks = size
            elif self._ticks == size:
                self._ticks = 0
        self._last = (self._last + text)[-2:]

    def _end_line(self, line: str) -> None:
        fence = _FENCE.match(line)
        if fence is None:
            return
        if self._marker:
            if self._closes(fence):
                self._marker = ""
        elif _opens(fence):
            self._marker = fence[1]
            self.fences += 1

    def _closes(self, fence: re.Match[str]) -> bool:
        return fence[1].startswith(self._marker) and not fence[2].strip()

    @property
    def is_fenced(self) -> bool:
        """Whether a code fence is open here."""
        if not self._marker:
            return False
        line = _FENCE.match(self._begin)  # a mark may stand directly behind the end of one
        return line is None or not self._closes(line)

    def ends_fence(self, rest: str, *, at_end: bool) -> bool | None:
        """Whether a mark here, before `rest`, stands alone and before a blank line.

        So models write their own. None: that is not known yet.
        """
        if self._begin.strip():
            return False
        if at_end and not rest.strip():
            return True
        if not at_end and _MAY_BE_BLANK_LINE.fullmatch(rest):
            return None
        return _BLANK_LINE.match(rest) is not None

    def is_quoted(self, rest: str, *, at_end: bool) -> bool | None:
        """Whether a mark here, before `rest`, is in inline code or in quotes of its own.

        None: that is not known yet.
        """
        if not rest and not at_end:
            return None
        opening = None if self._marker else _FENCE.match(self._begin)
        if opening is not None and _opens(opening):
            return True
        quote = _QUOTE.search(self._last)
        if quote and rest and rest[0] in _QUOTES[quote[1]]:
            return True
        return self._is_inline_code(rest, at_end=at_end)

    def _is_inline_code(self, rest: str, *, at_end: bool) -> bool | None:
        if not self._ticks or self._marker:
            return False
        if self._last.endswith("`") and rest.startswith("`"):
            return True
        line, newline, _ = rest[:_MAX_LINE].partition("\n")
        is_whole = at_end or bool(newline) or len(line) == _MAX_LINE
        for ticks in _TICKS.finditer(line):
            if ticks.end() == len(line) and not is_whole:
                return None
            if len(ticks[0]) == self._ticks:
                return True
        return False if is_whole else None

    def is_prose(self, rest: str, *, at_end: bool) -> bool | None:
        """Whether a sentence speaks of the mark that stands here, before `rest`, or code shows it.

        None: that is not known yet.
        """
        if not self._begin.strip() and len(self._begin.expandtabs(4)) >= 4:
            return True  # indented code
        after = rest[:2]
        if not at_end and (not after or (len(after) == 1 and after in _PUNCTUATION)):
            return None
        before = self._last[-1:]
        if not after or before.strip():
            return False
        ends_phrase = after[0] in _PUNCTUATION and not after[1:].strip()
        return ends_phrase or (before in _SPACES and after[0] in _SPACES)


def _opens(fence: re.Match[str]) -> bool:
    return not (fence[1][0] == "`" and "`" in fence[2])
