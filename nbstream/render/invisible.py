"""Invisible characters, made visible in what is shown: `⟨U+202E⟩`.

Text that runs the other way, letters without width and tags hide what a text says from who
reads it, or what it looks like from who copies it. Joiners between letters of other scripts and
in emoji, and the marks beside letters from right to left, belong to the writing and stay.
Terminal colours are dropped. What is kept and copied is the text as it came.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["ZERO_WIDTH", "ZERO_WIDTHS", "VisibleReader", "invisible_characters", "visible"]

#: Signs of no width, which may stand before the first mark of a line: the byte order mark,
#: spaces, joiners.
ZERO_WIDTH = "\ufeff\u200b\u200c\u200d\u200e\u2060"
ZERO_WIDTHS = frozenset(ZERO_WIDTH)  # of which "", the end of a text, is not one

# A sequence of a terminal (ECMA-48, 5.4), or a command to one.
_ANSI = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)"
_JOINER = "\u200c\u200d"
_MARK = "\u061c\u200e\u200f"
_HIDDEN = (
    "\u115f\u1160\u180e\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # of a letter's shape; of several one counts
_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f"
_SIGN = re.compile(
    rf"(?P<ansi>{_ANSI})|(?P<flag>{_FLAG})|⟨(?=U\+)|[{_HIDDEN}{_JOINER}{_MARK}]"
    rf"|(?<=[{_SELECTORS}])[{_SELECTORS}]"
)
# What stands at the start of a line before its first mark: indents, quotes, items.
_PREFIX = r"\n(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))*+"
_BEGINNING = re.compile(rf"({_PREFIX})[{ZERO_WIDTH}]++(?=[#>*+|`~\d-])")
_LINE_START = re.compile(rf"{_PREFIX}(?:[-*+]|\d{{1,9}}[.)]?)?")
_LONGEST_PREFIX = 80  # characters
_BEGINS = re.compile(rf"[\x1b⟨{_HIDDEN}{_JOINER}{_MARK}{_SELECTORS}]")
# What may yet become one of these, at the end of what has come.
_UNFINISHED = re.compile(
    rf"(?P<rest>[{_JOINER}{_MARK}]*(?:\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{{0,500}}\x1b?)?"
    rf"|\U0001f3f4[\U000e0020-\U000e007e]{{0,6}}|⟨U?|(?<=[{_JOINER}{_MARK}]))\Z)"
    rf"|{_PREFIX}(?P<signs>[{ZERO_WIDTH}]+)\Z"
)
_REACH = 600  # characters; what is open for longer is none of these


def visible(text: str) -> str:
    """`text` as it is shown."""
    return VisibleReader().read(text, final=True)


def invisible_characters(text: str) -> list[str]:
    """The names of the characters that `visible` shows in `text`, each once: `U+202E`."""
    if text.isascii():
        return []
    found = (_named(m) for m in _SIGN.finditer(text) if m[0] != "⟨")
    return list(dict.fromkeys(name.strip("⟨⟩") for name in found if name.startswith("⟨")))


class VisibleReader:
    """`visible` for a text that comes in pieces; any cut gives the same."""

    def __init__(self) -> None:
        self._before = "\n"  # the end of what was given back: what decides about the next sign
        self._held = ""

    def read(self, text: str, *, final: bool = False) -> str:
        """The next piece, as far as it is certain; with `final`, all of it."""
        start = len(self._before)
        text = self._before + self._held + text
        self._held = ""
        unfinished = None if final else _UNFINISHED.search(text, max(0, len(text) - _REACH))
        if unfinished is not None:
            at = max(unfinished.start(unfinished.lastgroup or 0), start)
            text, self._held = text[:at], text[at:]
        if len(text) == start:
            return ""
        line = text[max(0, text.rfind("\n"), len(text) - _LONGEST_PREFIX) :]
        self._before = line if _LINE_START.fullmatch(line) else text[-1]
        if not _BEGINS.search(text, start):
            return text[start:]
        text = _BEGINNING.sub(_without_signs, text)
        shown = []
        for sign in _SIGN.finditer(text, start):
            shown += [text[start : sign.start()], _named(sign)]
            start = sign.end()
        return "".join([*shown, text[start:]])


def _without_signs(beginning: re.Match[str]) -> str:
    prefix = beginning[1]
    return prefix if len(prefix) <= _LONGEST_PREFIX else beginning[0]


def _named(sign: re.Match[str]) -> str:
    """What stands in the place of a sign: its name, nothing, or itself."""
    if sign["ansi"]:
        return ""
    char = sign[0]
    if sign["flag"] or _belongs(char, sign.string, sign.start()):
        return char
    return f"⟨U+{ord(char):04X}⟩"


def _belongs(char: str, text: str, at: int) -> bool:
    """Whether a joiner or a mark stands where writing needs it."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if char in _JOINER:
        return _joins(before) and (_joins(after) or (char == "\u200c" and not after.isalnum()))
    if char in _MARK:
        return any(unicodedata.bidirectional(c) in ("R", "AL") for c in before + after)
    return False


def _joins(char: str) -> bool:
    return char > "\u0590" and unicodedata.category(char)[0] in "LMS"
