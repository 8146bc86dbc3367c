r"""Tables (https://github.github.com/gfm/#tables-extension-), with the rows that models write.

A `|` in code or in a formula splits the row that it is in, in GFM, unless it is escaped. Many
models do not escape it. So where that gives another number of cells than the table has
columns, and holding code and formulas together gives the right one, they are held together.
A row may have more cells than the header: none of them is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from .invisible import ZERO_WIDTH
from .math import inline_formula

__all__ = [
    "cell_tokens",
    "cells",
    "delimiters",
    "filler",
    "is_split_plainly",
    "padded",
    "table",
]

_DELIMITER_ROW = re.compile(r"\|[ \t|:-][|: \t-]*|:[ \t|:-][|: \t-]*|-[|:-][|: \t-]*")
_DELIMITER = re.compile(r":?-+:?")
_BAR = re.compile(r"(?<!\\)\|")
_VERBATIM = re.compile(r"\\\\?[(\[]|\\begin(?=\{)|\\[\\$`]|`+|\$\$?")
_LONGEST_ROW = 4_000  # characters, in which code and formulas may be held together
_MOST_CELLS = 500  # of a row; what is behind stands in the last one
_FILLED = 16  # empty cells that a row may get, and one more for each of its characters
_PADDED = 8  # times as many cells as there are, at most, are written for a table,
_FEW = 256  # and these


def delimiters(row: str) -> list[str] | None:
    """The alignment of each column ("" for none), if this is the second line of a table."""
    if not _DELIMITER_ROW.fullmatch(row):
        return None
    columns = [column.strip(" \t") for column in row.split("|")]
    columns = columns[columns[0] == "" : len(columns) - (len(columns) > 1 and columns[-1] == "")]
    if len(columns) > _MOST_CELLS or not all(map(_DELIMITER.fullmatch, columns)):
        return None
    return [_ALIGNMENTS[column[0] == ":", column[-1] == ":"] for column in columns]


_ALIGNMENTS = {
    (False, False): "",
    (True, False): "left",
    (False, True): "right",
    (True, True): "center",
}


def cells(row: str, columns: int) -> list[str]:
    """The cells of a row of a table that has so many columns."""
    row = row.strip(" \t")
    plain = _plain(row)
    if len(plain) <= columns or not _may_hold_bars(row):
        return plain
    held = _split(row, list(_bars_outside(row)))
    return held if len(held) == columns else plain


def is_split_plainly(row: str, columns: int) -> bool:
    """Whether `row` is split at each `|`, whatever stands in it."""
    row = row.strip(" \t")
    return not _may_hold_bars(row) or len(_plain(row)) <= columns


def _may_hold_bars(row: str) -> bool:
    return len(row) <= _LONGEST_ROW and any(sign in row for sign in "`$\\")


def _plain(row: str) -> list[str]:
    return _split(row, [match.start() for match in _BAR.finditer(row)])


def _split(row: str, bars: list[int]) -> list[str]:
    starts, ends = chain([0], (bar + 1 for bar in bars)), chain(bars, [len(row)])
    found = [row[start:end] for start, end in zip(starts, ends, strict=True)]
    found = found[found[0] == "" :]
    if found and found[-1] == "":
        found.pop()
    if len(found) > _MOST_CELLS:
        found[_MOST_CELLS - 1 :] = ["|".join(found[_MOST_CELLS - 1 :])]
    return [cell.replace("\\|", "|").strip() for cell in found]


def _bars_outside(row: str) -> Iterator[int]:
    """The places of the `|` that are neither escaped nor in code nor in a formula."""
    runs: dict[int, list[int]] = defaultdict(list)
    for run in re.finditer("`+", row):
        runs[len(run[0])].append(run.start())
    for places in runs.values():
        places.reverse()  # so that the next one is at the end
    start = 0
    while found := _VERBATIM.search(row, start):
        yield from (bar.start() for bar in _BAR.finditer(row, start, found.start()))
        start = _end_of(row, found, runs)
    yield from (bar.start() for bar in _BAR.finditer(row, start))


def _end_of(row: str, found: re.Match[str], runs: dict[int, list[int]]) -> int:
    """Where the code or the formula ends that begins with this mark; its own end if none does."""
    mark, end = found[0], found.end()
    if mark[0] == "`":
        places = runs[len(mark)]
        while places and places[-1] < end:
            places.pop()
        return places[-1] + len(mark) if places else end
    formula = inline_formula(row, found.start(), len(row))
    return formula.end if formula else end


def padded(rows: Sequence[list[str]], joint: str = " | ") -> list[list[str]]:
    """`rows`, the header first, with as many cells each as the longest has.

    Where that were out of all proportion, what is behind the last column stands in it, with
    `joint` between the cells.
    """
    columns, widest = len(rows[0]), max(map(len, rows))
    if widest * len(rows) > _PADDED * sum(map(len, rows)) + _FEW:
        widest = columns
    return [_padded(row, widest, joint) for row in rows]


def _padded(row: list[str], columns: int, joint: str) -> list[str]:
    if len(row) > columns:
        return [*row[: columns - 1], joint.join(row[columns - 1 :])]
    return [*row, *repeat("", columns - len(row))]


def table(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
    """The rule for a table, with the parser's own tokens."""
    below = start_line + 1
    if (
        state.src.find("|", state.bMarks[start_line], state.eMarks[start_line]) < 0
        or below >= end_line
        or state.sCount[below] < state.blkIndent
        or state.is_code_block(below)
        or state.is_code_block(start_line)
    ):
        return False
    alignments = delimiters(_line(state, below))
    header = _line(state, start_line)
    if not alignments:
        return False
    names = cells(header, len(alignments))
    if len(names) != len(alignments):
        return False
    if silent:
        return True
    around, state.parentType = state.parentType, "table"
    opening = state.push("table_open", "table", 1)
    opening.map = lines = [start_line, 0]
    state.push("thead_open", "thead", 1).map = [start_line, below]
    _row(state, start_line, names, alignments, "th")
    state.push("thead_close", "thead", -1)
    lines[1] = state.line = _body(state, start_line + 2, end_line, alignments)
    state.push("table_close", "table", -1)
    state.parentType = around
    return True


def _body(state: StateBlock, start_line: int, end_line: int, alignments: list[str]) -> int:
    """The rows below the delimiters; return the line after the last one."""
    rules = state.md.block.ruler.getRules("blockquote")
    columns, line = len(alignments), start_line
    while line < end_line and state.sCount[line] >= state.blkIndent:
        text = _line(state, line)
        if any(rule(state, line, end_line, True) for rule in rules):  # noqa: FBT003 - the parser's own
            break
        if not text or state.is_code_block(line):
            break
        if line == start_line:
            opening = state.push("tbody_open", "tbody", 1)
            opening.map = lines = [start_line, 0]
        found = cells(text, columns)
        found += repeat("", filler(text, columns, len(found)))
        _row(state, line, found, alignments, "td")
        line += 1
    if line > start_line:
        state.push("tbody_close", "tbody", -1)
        lines[1] = line
    return line


def filler(row: str, columns: int, count: int) -> int:
    """How many empty cells a row with `count` cells gets: never out of proportion to it."""
    return max(0, min(columns - count, _FILLED + len(row.strip(" \t"))))


def cell_tokens(tag: str, text: str, alignment: str) -> list[Token]:
    """The tokens of a cell, which know nothing of where it stands."""
    opening = Token(f"{tag}_open", tag, 1, block=True)
    if alignment:
        opening.attrs = {"style": f"text-align:{alignment}"}
    inline = Token("inline", "", 0, level=1, content=text, children=[], block=True)
    return [opening, inline, Token(f"{tag}_close", tag, -1, block=True)]


def _row(state: StateBlock, line: int, texts: list[str], alignments: list[str], tag: str) -> None:
    state.push("tr_open", "tr", 1).map = [line, line + 1]
    for text, alignment in zip(texts, chain(alignments, repeat("")), strict=False):
        tokens = cell_tokens(tag, text, alignment)
        for token in tokens:
            token.level += state.level
        tokens[1].map = [line, line + 1]
        state.tokens += tokens
    state.push("tr_close", "tr", -1)


def _line(state: StateBlock, line: int) -> str:
    start = state.bMarks[line] + state.tShift[line]
    return state.src[start : state.eMarks[line]].lstrip(ZERO_WIDTH).strip(" \t")
