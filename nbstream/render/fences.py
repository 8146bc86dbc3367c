"""An open code fence, which needs no parser: its lines are code until one closes it."""

from __future__ import annotations

import re

from markdown_it.token import Token

from .fence_rules import Ending, FenceLines

__all__ = ["FenceReader"]

_INDENT = re.compile(r"[ \t]*")
_INDENTED_CODE = 4  # columns


class FenceReader:
    """Takes the text after an opening line, and gives the code in it.

    Args:
        token: the fence's token.
        opening_line: its first line.
    """

    def __init__(self, token: Token, opening_line: str) -> None:
        self._indent = len(opening_line) - len(opening_line.lstrip(" "))
        self._lines = FenceLines(token.markup, token.info)
        mark, length = re.escape(token.markup[0]), len(token.markup)
        self._maybe_closing = re.compile(
            rf"[ \t]*(?:{mark}{{0,{length - 1}}}\Z|{mark}{{{length}}})"
        )
        self._marks_at_end = re.compile(rf"{mark}+[ \t]*\Z")
        self._given: list[str] = []  # of the current line, as code
        self._has_run = False  # whether a run of marks is in that
        self._pending = ""  # of it, and of the line below, while they may close the fence

    def feed(self, text: str) -> tuple[str, str | None]:
        """Take more text; return its code, and what follows the fence if it is over."""
        text, self._pending = self._pending + text, ""
        code: list[str] = []
        start = 0
        while (end := text.find("\n", start)) >= 0:
            line = text[start:end]
            below = text[end + 1 : None if (at := text.find("\n", end + 1)) < 0 else at]
            if at < 0 and not below.strip(" \t") and self._needs_next(line):
                self._pending = text[start:]
                return "".join(code), None
            if ending := self._ending(line, below):
                code.append(self._code(line, ending))
                rest = text[end + 1 :]
                if ending.rest is not None:
                    rest = f"{self._rest(line, ending)}\n{rest}"
                return "".join(code), rest
            code += [self._dedent(line), "\n"]
            self._given.clear()
            self._has_run = False
            start = end + 1
        line = text[start:]
        if not self._given and self._maybe_closing.match(line):
            self._pending = line
        elif line:
            marks = self._marks_at_end.search(line)
            given = line[: marks.start()] if marks else line
            self._pending = line[len(given) :]
            if given:
                code.append(self._dedent(given))
                self._given.append(given)
                self._has_run = self._has_run or self._lines.run in given
        return "".join(code), None

    def at_the_end(self) -> tuple[str, str]:
        """What the current line adds if the text ends here: code, and text behind the fence."""
        line, end, below = self._pending.partition("\n")
        if not self._given and not line.strip(" \t"):
            return "", ""
        inner = list(self._lines.inner)
        ending = self._ending(line, below or None)
        self._lines.inner = inner
        if ending is None:
            return self._dedent(line) + end, ""
        return self._code(line, ending), self._rest(line, ending)

    def _needs_next(self, line: str) -> bool:
        return self._may_close(line) and self._lines.may_close_behind_code(self._whole(line)[1])

    def _may_close(self, line: str) -> bool:
        return self._has_run or self._lines.run in line

    def _ending(self, line: str, below: str | None) -> Ending | None:
        if not self._may_close(line):
            return None
        indent, whole = self._whole(line)
        return self._lines.read(whole, below, may_close=_columns(indent) < _INDENTED_CODE)

    def _whole(self, line: str) -> tuple[str, str]:
        """The current line, of which `line` is not given yet: its indent, and the rest."""
        whole = "".join([*self._given, line])
        found = _INDENT.match(whole)
        indent = found[0] if found else ""
        return indent, whole[len(indent) :]

    def _code(self, line: str, ending: Ending) -> str:
        """What the line that closes the fence adds to the code."""
        if not ending.code:
            return ""
        return self._dedent(line[: len(line) - len(self._whole(line)[1]) + ending.code]) + "\n"

    def _rest(self, line: str, ending: Ending) -> str:
        return "" if ending.rest is None else self._whole(line)[1][ending.rest :]

    def _dedent(self, line: str) -> str:
        """Take off the fence's own indent; of a tab that reaches beyond it, the rest stays."""
        if self._given or not self._indent:
            return line
        column = position = 0
        while position < len(line) and column < self._indent and line[position] in " \t":
            column += 4 - column % 4 if line[position] == "\t" else 1
            position += 1
        return " " * max(column - self._indent, 0) + line[position:]


def _columns(indent: str) -> int:
    return len(indent.expandtabs(4))
