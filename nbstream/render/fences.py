"""An open code fence, which needs no parser: its lines are code until the closing one."""

from __future__ import annotations

import re

from markdown_it.token import Token

__all__ = ["FenceReader"]


class FenceReader:
    """Takes the text after an opening line, and gives the code in it.

    Args:
        token: the fence's token.
        opening_line: its first line.
    """

    def __init__(self, token: Token, opening_line: str) -> None:
        self._indent = len(opening_line) - len(opening_line.lstrip(" "))
        mark = re.escape(token.markup[0])
        self._closing = re.compile(rf" {{0,3}}{mark}{{{len(token.markup)},}}[ \t]*")
        self._maybe_closing = re.compile(rf"[ \t]*| {{0,3}}{mark}*[ \t]*")
        self._in_line = False
        self._pending = ""  # of the current line, while it may become the closing one

    def feed(self, text: str) -> tuple[str, str | None]:
        """Take more text; return its code, and what follows the closing line if that came."""
        text, self._pending = self._pending + text, ""
        code: list[str] = []
        start = 0
        while (end := text.find("\n", start)) >= 0:
            line = text[start:end]
            start = end + 1
            if not self._in_line and self._closing.fullmatch(line):
                return "".join(code), text[start:]
            code += [self._dedent(line), "\n"]
            self._in_line = False
        line = text[start:]
        if not self._in_line and self._maybe_closing.fullmatch(line):
            self._pending = line
        elif line:
            code.append(self._dedent(line))
            self._in_line = True
        return "".join(code), None

    def pending_code(self) -> str:
        """The code that the current line adds if the text ends here."""
        if not self._pending.strip(" \t") or self._closing.fullmatch(self._pending):
            return ""
        return self._dedent(self._pending)

    def _dedent(self, line: str) -> str:
        """Take off the fence's own indent; of a tab that reaches beyond it, the rest stays."""
        if self._in_line or not self._indent:
            return line
        column = position = 0
        while position < len(line) and column < self._indent and line[position] in " \t":
            column += 4 - column % 4 if line[position] == "\t" else 1
            position += 1
        return " " * max(column - self._indent, 0) + line[position:]
