"""The row of a table that is being written, cell by cell.

A row is short, but it may have hundreds of cells, and the table's header is as long. So the
cells that are over are kept as they are shown, and neither is parsed again with each word.
"""

from __future__ import annotations

import re

from .engine import Engine
from .eye import completed, open_cell
from .table_rules import cell_tokens, cells, filler, is_split_plainly

__all__ = ["OpenRow"]

_BEGINS_ROW = re.compile(r" {0,3}\|")  # no other block begins with it


class OpenRow:
    """Makes HTML of the last row as far as it came.

    Args:
        engine: what parses the text in its cells.
        alignments: of the columns.
    """

    def __init__(self, engine: Engine, alignments: list[str]) -> None:
        self._engine = engine
        self._alignments = alignments
        self._text = ""
        self._done: list[str] = []  # the cells before the one that is open
        self._empty = [self._cell(index, "") for index in range(len(alignments))]

    def takes(self, text: str) -> bool:
        """Whether `text` is one row, as far as it came, that needs no parser of blocks."""
        if "\n" in text or not _BEGINS_ROW.match(text):
            return False
        if not is_split_plainly(text, len(self._alignments)):
            return False
        if not text.startswith(self._text):
            self._done.clear()
        self._text = text
        return True

    def html(self) -> str:
        """The row that was taken last."""
        text, columns = self._text, len(self._alignments)
        found = cells(text, columns)
        number = open_cell(text)
        if len(found) <= number - 1:  # the last one holds what is behind it
            number = len(found) - 1
        for index in range(len(self._done), min(number, len(found))):
            self._done.append(self._cell(index, found[index]))
        shown = "".join(self._done)
        if number < len(found):
            last = found[number]
            shown += self._cell(number, completed(last) if self._engine.anticipates else last)
        end = len(found) + filler(text, columns, len(found))
        return f"<tr>{shown}{''.join(self._empty[len(found) : end])}</tr>"

    def _cell(self, index: int, text: str) -> str:
        alignment = self._alignments[index] if index < len(self._alignments) else ""
        return self._engine.html(cell_tokens("td", text, alignment))
