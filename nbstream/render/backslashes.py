r"""Backslashes that are part of a path or of a regular expression: `C:\x\.config`, `\d+\.\d+`.

CommonMark takes the one before a punctuation mark for an escape and drops it. In a word that
says that it is a path or a pattern (a backslash before a letter, which escapes nothing; the
start of a path; what only patterns have) it is a backslash. The escapes that models write
everywhere, of what would otherwise be markup, stay escapes in such words too.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

__all__ = ["backslashes_plugin"]

# What may be kept: not ``* _ # $ ` ``, and in a word that only looks like a pattern no bracket.
_SIGNS = frozenset("!\"%&'+,-./:;=?@^")
_BRACKETS = frozenset("()<>[]{|}~")
_REACH = 200  # characters of the word before its first backslash
_LAST_WORD = "last_word_with_a_backslash"
_SPACE = re.compile(r"\s")
_PATH = re.compile(
    r"""
    (?<!\\)(?:\\\\)*\\[A-Za-z0-9]                                   # `\x`, `\d`
    | \A[("'\[*_`]*(?:[A-Za-z]:|\.{1,2}|~|%\w+%|\$\w+(?::\w+)?)\\   # `C:\`, `..\`, `%APPDATA%\`
    """,
    re.VERBOSE,
)
_PATTERN = re.compile(r"""\A[("']*\^|\$[)"'.,;:]*\Z|[.\])][*+?]\\|\[\^""")  # `^\.`, `\.py$`, `.*\.`


def backslashes_plugin(md: MarkdownIt) -> None:
    """Backslashes of paths and patterns become text, with what stands behind them."""
    md.inline.ruler.before("escape", "backslash", _backslash)


def _backslash(state: StateInline, silent: bool) -> bool:
    start, end = state.pos, state.pos + 2
    if state.src[start] != "\\" or end > state.posMax:
        return False
    following = state.src[start + 1]
    is_share = following == "\\" and _begins_share(state.src, start)
    if not (is_share or following in _SIGNS or following in _BRACKETS):
        return False
    is_path, is_pattern = _kind(state, start)
    if not (is_path or (is_pattern and following in _SIGNS)):
        return False
    if not silent:
        state.pending += state.src[start:end]
    state.pos = end
    return True


def _begins_share(text: str, at: int) -> bool:
    r"""Whether `\\` begins the name of a computer, as in `\\server\share`."""
    before, after = text[at - 1 : at], text[at + 2 : at + 3]
    return (not before or before in " \n\t(\"'") and after.isalnum()


def _kind(state: StateInline, at: int) -> tuple[bool, bool]:
    """Whether the word around a place is a path, and whether it looks like a pattern.

    Each word is looked at once: `env` remembers the last one.
    """
    known = state.env.get(_LAST_WORD)
    if known is not None and known[0] is state.src and known[1] <= at < known[2]:
        return known[3], known[4]
    before = max(
        (space.end() for space in _SPACE.finditer(state.src, max(0, at - _REACH), at)),
        default=max(0, at - _REACH),
    )
    after = _SPACE.search(state.src, at)
    end = after.start() if after else len(state.src)
    word = state.src[before:end]
    found = _PATH.search(word) is not None, _PATTERN.search(word) is not None
    state.env[_LAST_WORD] = (state.src, before, end, *found)
    return found
