"""Where one top-level block of a growing text ends and can no longer change.

Only complete lines are looked at: a line that is still being written may yet become
anything (`-` a list, a heading's underline, or `-5 degrees`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it.token import Token

__all__ = [
    "Parsed",
    "Span",
    "children",
    "is_closed_fence",
    "may_become_table",
    "settled",
    "spans",
    "top_level",
]

_AT_ONCE = frozenset({"heading_open", "hr", "math_block"})
_AT_A_BLANK_LINE = frozenset({"paragraph_open", "table_open", "blockquote_open", "definitions"})
# A line that follows a blank one and starts like this, at the margin, goes on with no list,
# no footnote and no indented code; `-`, `+`, `*` and digits may still become an item.
_AT_THE_MARGIN = re.compile(r"[^\s\d*+-]|[*+-]\S|\d+[^\d\s.)]")


@dataclass(slots=True)
class Span:
    """A top-level block: its tokens, and its lines from `start` to before `end`.

    Link definitions have no tokens. They belong to the block directly below them, because
    a definition and the paragraph under it are one paragraph as long as it is open.
    """

    start: int
    end: int
    tokens: list[Token]

    @property
    def first(self) -> int:
        """The first line of the block itself, without definitions above it."""
        return self.tokens[0].map[0] if self.tokens and self.tokens[0].map else self.start

    @property
    def kind(self) -> str:
        return self.tokens[0].type if self.tokens else "definitions"


@dataclass(slots=True)
class Parsed:
    """The blocks of a text; what is inside them is not parsed yet.

    Attributes:
        text: the text.
        lines: its lines, without their ends.
        spans: its top-level blocks.
        undecided: the first line of a formula that is open at the end, or None.
    """

    text: str
    lines: list[str]
    spans: list[Span]
    undecided: int | None

    def source(self, start: int, end: int | None = None) -> str:
        """The text from line `start` to before line `end`."""
        first = self._offset(start)
        return self.text[first:] if end is None else self.text[first : self._offset(end)]

    def _offset(self, line: int) -> int:
        return sum(len(text) + 1 for text in self.lines[:line])


def is_blank(line: str) -> bool:
    return not line.strip(" \t")


def spans(tokens: list[Token], lines: list[str]) -> list[Span]:
    """The top-level blocks of a parsed text, in order; definitions at its end are one more."""
    found: list[Span] = []
    previous_end = 0
    for group in top_level(tokens):
        first, end = group[0].map or [previous_end, previous_end]
        found.append(Span(_walk_up(first, previous_end, lines), end, group))
        previous_end = end
    end = len(lines)
    while end > previous_end and is_blank(lines[end - 1]):
        end -= 1
    if end > previous_end:
        found.append(Span(_walk_up(end, previous_end, lines), end, []))
    return found


def top_level(tokens: list[Token]) -> Iterator[list[Token]]:
    """The tokens of one top-level block after the other."""
    group: list[Token] = []
    for token in tokens:
        group.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield group
            group = []


def _walk_up(line: int, stop: int, lines: list[str]) -> int:
    while line > stop and not is_blank(lines[line - 1]):
        line -= 1
    return line


def children(tokens: list[Token]) -> list[list[Token]]:
    """What is one level below the first token, which a last one closes: a list's items."""
    level = tokens[0].level + 1
    groups: list[list[Token]] = [[]]
    for token in tokens[1:-1]:
        groups[-1].append(token)
        if token.level == level and token.nesting <= 0:
            groups.append([])
    return groups[:-1]


def settled(parsed: Parsed, rest: str) -> int:
    """The line before which nothing can change any more, whatever comes.

    Args:
        parsed: the complete lines, with at least one block.
        rest: the line that is still being written, "" where it has not begun.
    """
    last = parsed.spans[-1]
    line = len(parsed.lines) if _is_over(last, parsed.lines, rest) else last.start
    undecided = parsed.undecided
    if undecided is not None and undecided < line:
        return max((s.start for s in parsed.spans if s.start <= undecided), default=0)
    return line


def _is_over(last: Span, lines: list[str], rest: str) -> bool:
    if may_become_table(last, lines):
        return False
    if last.kind in _AT_ONCE:
        return True
    if last.kind == "fence":
        return is_closed_fence(last.tokens[0], lines)
    if not is_blank(lines[-1]):
        return False
    return last.kind in _AT_A_BLANK_LINE or _AT_THE_MARGIN.match(rest) is not None


def may_become_table(last: Span, lines: list[str]) -> bool:
    """Whether the next line can make a table of the last block, whatever it is now."""
    return last.end == len(lines) and last.first == last.end - 1 and "|" in lines[-1]


def is_closed_fence(token: Token, lines: list[str]) -> bool:
    """Whether a fence has its closing line; an open one ends where the text does."""
    first, end = token.map or [0, 0]
    marker = token.markup
    closing = rf" {{0,3}}{re.escape(marker)}{re.escape(marker[0])}*[ \t]*"
    return end - first >= 2 and re.fullmatch(closing, lines[end - 1]) is not None
