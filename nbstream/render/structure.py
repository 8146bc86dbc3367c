"""Where one top-level block of a growing text ends and can no longer change.

The line that is still being written decides nothing: it may yet become anything (`-` a
list, a heading's underline, or `-5 degrees`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from markdown_it.token import Token

__all__ = [
    "Parsed",
    "Span",
    "children",
    "end_line",
    "is_blank",
    "is_decided",
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

    @property
    def is_cut(self) -> bool:
        """Whether the next block begins on its last line."""
        return bool(self.tokens) and bool(self.tokens[0].meta.get("cut"))

    @property
    def ends_at_a_blank_line(self) -> bool:
        return self.kind in _AT_A_BLANK_LINE


@dataclass(slots=True)
class Parsed:
    """The blocks of a text; what is inside them is not parsed yet.

    Attributes:
        text: the text.
        lines: its lines, without their ends.
        complete: how many of them are complete.
        spans: its top-level blocks.
        undecided: a line, or None: the block that it is in may yet become others.
        line_ends: the places of line ends in `text` that did not come, but part two blocks.
    """

    text: str
    lines: list[str]
    complete: int
    spans: list[Span]
    undecided: int | None
    line_ends: list[int] = field(default_factory=list)
    _offsets: list[int] = field(default_factory=list)

    def source(self, start: int, end: int | None = None) -> str:
        """The text from line `start` to before line `end`, or all the rest as it came."""
        if not self._offsets:
            self._offsets = [0, *accumulate(len(line) + 1 for line in self.lines)]
        first = self._offsets[start]
        if end is not None:
            return self.text[first : self._offsets[end]]
        kept = [first - 1, *(end for end in self.line_ends if end >= first), len(self.text)]
        return "".join(self.text[start + 1 : end] for start, end in pairwise(kept))


def is_blank(line: str) -> bool:
    return not line.strip(" \t")


def end_line(tokens: list[Token]) -> int:
    """The line after the last one of a block."""
    return tokens[0].map[1] if tokens[0].map else 0


def spans(tokens: list[Token], lines: list[str], start: int = 0) -> list[Span]:
    """The blocks in `lines` from `start` on, in order, and definitions that stand alone."""
    found: list[Span] = []
    covered = start
    for group in top_level(tokens):
        first, end = group[0].map or [covered, covered]
        definitions = list(_definitions(covered, first, lines))
        if definitions and definitions[-1].end == first:
            first = definitions.pop().start
        found += [*definitions, Span(first, end, group)]
        covered = end
    return [*found, *_definitions(covered, len(lines), lines)]


def _definitions(start: int, end: int, lines: list[str]) -> Iterator[Span]:
    """The runs of lines between blocks that are not blank."""
    first = start
    for line in range(start, end + 1):
        if line == end or is_blank(lines[line]):
            if first < line:
                yield Span(first, line, [])
            first = line + 1


def top_level(tokens: list[Token]) -> Iterator[list[Token]]:
    """The tokens of one block after the other, of those on the level of the first."""
    group: list[Token] = []
    for token in tokens:
        group.append(token)
        if token.level == tokens[0].level and token.nesting <= 0:
            yield group
            group = []


def children(tokens: list[Token]) -> list[list[Token]]:
    """What is one level below the first token, which a last one closes: a list's items."""
    return list(top_level(tokens[1:-1]))


def settled(parsed: Parsed) -> int:
    """The line before which nothing can change any more, whatever comes."""
    decided = [i for i, span in enumerate(parsed.spans) if is_decided(span, parsed)]
    if not decided:
        return 0
    last = parsed.spans[decided[-1]]
    line = last.start
    if _is_over(last, parsed):
        following = parsed.spans[decided[-1] + 1 :]
        line = following[0].start if following else parsed.complete
    if parsed.undecided is not None and parsed.undecided < line:
        line = max((s.start for s in parsed.spans if s.start <= parsed.undecided), default=0)
    for before, after in reversed(list(pairwise(parsed.spans))):
        if before.is_cut and after.start == line:
            line = before.start
    return line


def is_decided(span: Span, parsed: Parsed) -> bool:
    """Whether it is certain that a block begins where `span` does."""
    if "|" in parsed.lines[span.first]:  # the line below may make a table of it
        return span.first + 1 < parsed.complete
    return span.start < parsed.complete


def _is_over(last: Span, parsed: Parsed) -> bool:
    """Whether no line to come can belong to this block, the last that is decided."""
    if last.end > parsed.complete:
        return False
    line = parsed.lines[last.end - 1]
    if last.kind in _AT_ONCE:
        return True
    if last.kind == "fence":
        decided = last.tokens[0].meta.get("decided")
        return decided is not None and decided <= parsed.complete
    below = parsed.lines[last.end :]
    if not is_blank(line) and not (last.end < parsed.complete and is_blank(below[0])):
        return False
    following = next((text for text in below if not is_blank(text)), "")
    return last.ends_at_a_blank_line or _AT_THE_MARGIN.match(following) is not None
