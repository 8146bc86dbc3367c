"""Emphasis beside Chinese, Japanese and Korean text, which has no spaces around its words.

CommonMark finds where emphasis ends by the space behind it, so that `**「注意」**请` would stay as
it is. Beside such a character `*` and `~` open and close as they do beside a space, as in
https://github.com/tats-u/markdown-cjk-friendly/blob/main/specification.md
"""

from __future__ import annotations

import unicodedata

from markdown_it import MarkdownIt
from markdown_it.common.utils import isWhiteSpace
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType

from .by_sign import InlineParser

__all__ = ["EmphasisParser", "is_east_asian"]

_PICTURES = range(0x1F000, 0x20000)  # emoji are as wide, and no letters


def is_east_asian(character: str) -> bool:
    """Whether it is a letter or a sign of Chinese, Japanese or Korean text."""
    if character < "\u1100":
        return False
    return unicodedata.east_asian_width(character) in "WFH" and ord(character) not in _PICTURES


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803, FBT001 - the parser's own names
        found = super().scanDelims(start, canSplitWord)
        end = start + found.length
        if not canSplitWord or not start or end >= self.posMax:
            return found
        before, after = self.src[start - 1], self.src[end]
        if not (is_east_asian(before) or is_east_asian(after)):
            return found
        return Scanned(not isWhiteSpace(ord(after)), not isWhiteSpace(ord(before)), found.length)


class EmphasisParser(InlineParser):
    """The parser's own, with another idea of where emphasis begins and ends."""

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        if self.is_plain(src):  # as most cells of tables are
            if src:
                tokens.append(Token("text", "", 0, content=src))
            return tokens
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens
