r"""Backslashes that belong to a path or to a regular expression: `C:\x\.config`, `\d+\.\d+`.

CommonMark takes the one before a punctuation mark for an escape and drops it. In a word that
says that it is a path or a pattern it is a backslash: such a word has a backslash before a
letter, which escapes nothing, or begins as a path, or has what only patterns have. The escapes
that models write everywhere, of what would otherwise be markup, stay escapes in such words too,
but for a regular expression beyond doubt. That is told before a formula is looked for, because
`\(` opens one; a path is told after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

__all__ = ["backslashes_plugin", "holds_kept_backslash", "is_in_regex"]

_REGEX = re.compile(r"\\[dDwWsbB](?![A-Za-z])|(?<!\\)\[\^[^\]]|\w\.\w+\([rf]?[\"']?\\[(\[]")
_ESCAPED_IN_REGEX = frozenset(".()[]{}+*?|^$-/\\")
# What may be kept elsewhere: not ``* _ # $ ` ``, and in what only looks like a pattern no bracket.
_SIGNS = frozenset("!\"%&'+,-./:;=?@^")
_BRACKETS = frozenset("()<>[]{|}~")
# `C:\`, `..\`, `%APPDATA%\`, `\\server\`
_BEGINS_PATH = re.compile(
    r"""[("'\[*_`]*(?:(?:[A-Za-z]:|\.{1,2}|~|%\w+%|\$\w+(?::\w+)?)\\|\\\\[\w.-]+\\)"""
)
_ESCAPES_NOTHING = re.compile(r"(?<!\\)(?:\\\\)*\\[A-Za-z0-9]")  # `\x`, `\d`
_DRIVE = re.compile(r"(?<![^\W_])[A-Za-z]:\Z")
_PATTERN = re.compile(r"""\A[("']*\^|\$[)"'.,;:]*\Z|[.\])][*+?]\\|\[\^""")  # `^\.`, `\.py$`, `.*\.`
_NO_SPACE = re.compile(r"\S+")
_HALF_COMMAND = re.compile(r"\\[A-Za-z]*\Z")  # what the end of the reach cut
_REACH = 60  # characters of a word at either side


def backslashes_plugin(md: MarkdownIt) -> None:
    """Backslashes of paths and patterns become text, with what stands behind them."""
    md.inline.ruler.before("math_inline", "regex_backslash", partial(_rule, is_in_regex))
    md.inline.ruler.before("escape", "backslash", partial(_rule, _is_in_path))


def is_in_regex(text: str, at: int) -> bool:
    r"""Whether the backslash at `at` is a regular expression's, as in `\d+\.\d+`."""
    if text[at + 1 : at + 2] not in _ESCAPED_IN_REGEX or not _holds_regex(text):
        return False
    return _REGEX.search(_word(text, at)) is not None


@lru_cache(maxsize=4)  # the same text is asked about for each of its backslashes
def _holds_regex(text: str) -> bool:
    return _REGEX.search(text) is not None


def holds_kept_backslash(text: str) -> bool:
    """Whether one that escapes a character of `text` might be kept, as others are."""
    if _REGEX.search(text):
        return True
    return any(
        ("\\" in word and _is_path(word)) or ("^[" in word and _PATTERN.search(word))
        for word in text.split()
    )


def _rule(is_kept: Callable[[str, int], bool], state: StateInline, silent: bool) -> bool:
    start, end = state.pos, state.pos + 2
    if state.src[start] != "\\" or end > state.posMax or not is_kept(state.src, start):
        return False
    if not silent:
        state.pending += state.src[start:end]
    state.pos = end
    return True


def _is_in_path(text: str, at: int) -> bool:
    following = text[at + 1]
    if following in "_#" and _DRIVE.search(text, max(0, at - 3), at):
        return True  # `C:\_build`
    if following == "\\":
        return _begins_share(text, at) and _is_path(_word(text, at))
    if text.startswith("*.", at + 1):  # `C:\logs\*.txt`
        return _BEGINS_PATH.match(_word(text, at)) is not None
    if following in _SIGNS:
        word = _word(text, at)
        return _is_path(word) or _PATTERN.search(word) is not None
    return following in _BRACKETS and _is_path(_word(text, at))


def _is_path(word: str) -> bool:
    return _ESCAPES_NOTHING.search(word) is not None or _BEGINS_PATH.match(word) is not None


def _begins_share(text: str, at: int) -> bool:
    r"""Whether `\\` begins the name of a computer, as in `\\server\share`."""
    before, after = text[at - 1 : at], text[at + 2 : at + 3]
    return (not before or before in " \n\t(\"'") and after.isalnum()


def _word(text: str, at: int) -> str:
    """The word around a place, as far as we reach."""
    before = text[max(0, at - _REACH) : at].split()
    after = "".join(_NO_SPACE.findall(text, at, at + _REACH)[:1])
    if len(after) == _REACH:
        after = _HALF_COMMAND.sub("", after)
    return (before[-1] if before and not text[at - 1].isspace() else "") + after
