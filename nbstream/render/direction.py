"""Which way a block is written: from right to left, if its first letter is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

__all__ = ["direction_plugin", "has_letter", "is_right_to_left", "mark_direction"]

_LETTER = re.compile(r"[^\W\d_]")
_BLOCKS = frozenset(
    {
        "blockquote_open",
        "bullet_list_open",
        "heading_open",
        "ordered_list_open",
        "paragraph_open",
        "table_open",
    }
)


def direction_plugin(md: MarkdownIt) -> None:
    """Blocks that are written from right to left get the attribute `dir`."""
    md.core.ruler.after("block", "direction", _direction)


def _direction(state: StateCore) -> None:
    mark_direction(state.tokens)


def mark_direction(tokens: Sequence[Token]) -> None:
    """Give `dir` to each block that begins with a text from right to left.

    What counts is the text that it begins with, also where that has no letter: so what a
    long block looks like does not depend on how it goes on.
    """
    opened: list[Token] = []
    for token in tokens:
        if token.nesting == 1:
            opened.append(token)
            continue
        if token.type == "inline" and opened and is_right_to_left(token.content):
            for block in opened:
                if block.type in _BLOCKS:
                    block.attrSet("dir", "rtl")
        opened.clear()


def has_letter(text: str) -> bool:
    """Whether the direction of `text` is certain, however it goes on."""
    return _LETTER.search(text) is not None


def is_right_to_left(text: str) -> bool:
    """Whether the first letter of `text` is Hebrew, Arabic or another of that direction."""
    letter = None if text.isascii() else _LETTER.search(text)
    return letter is not None and unicodedata.bidirectional(letter[0]) in ("R", "AL")
