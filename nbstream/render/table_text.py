"""A table written as text: as markdown, and as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .html import parser

__all__ = ["csv_of", "markdown_of"]

_DELIMITERS = {"left": ":---", "center": ":---:", "right": "---:"}
_LINE_BREAK = re.compile(r"[ \t]*(?:\r\n|[\r\n])[ \t]*")

# What begins a formula in Excel, LibreOffice and Google Sheets, also as a full-width sign
# (https://owasp.org/www-community/attacks/CSV_Injection).
_RUN = re.compile(r"[=+\-@＝＋－＠]")  # noqa: RUF001
# A number, or the dash of an empty cell: a spreadsheet has nothing to run in it.
_NUMBER = re.compile(
    r"""
      [+-]? [ ]? [$€£¥]? [ ]?
      (?: \d[\d.,'\u00a0\u202f ]* | [.,]\d+ )? (?: (?<=[\d.])[eE][+-]?\d+ )?
      [ ]? [%‰$€£¥]?
    """,
    re.VERBOSE,
)
_SPACES = re.compile(r"[ \t]+")
_QUOTED = re.compile(r'[",\r\n]|^$|^\s|\s$')

Rows = Sequence[Sequence[str]]


def markdown_of(rows: Rows, alignments: Sequence[str] = ()) -> str:
    """Rows of markdown texts, the first of them the header, as a GFM table.

    Args:
        rows: they get empty cells where they are shorter than the longest.
        alignments: of the first columns `left`, `center`, `right` or "".
    """
    head, *body = _padded(rows)
    if not head:
        return ""
    delimiters = [_DELIMITERS.get(alignment, "---") for alignment in alignments[: len(head)]]
    delimiters += ["---"] * (len(head) - len(delimiters))
    cells = [[_cell(text) for text in row] for row in (head, *body)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (cells[0], delimiters, *cells[1:]))


def csv_of(rows: Rows) -> str:
    """Rows of markdown texts as CSV by RFC 4180, which ends its lines with CR LF.

    https://www.rfc-editor.org/rfc/rfc4180
    """
    written = ([_field(_harmless(_shown(text))) for text in row] for row in _padded(rows))
    return "".join(f"{','.join(row)}\r\n" for row in written if row)


def _padded(rows: Rows) -> list[list[str]]:
    width = max(map(len, rows))
    return [[*row, *[""] * (width - len(row))] for row in rows]


def _cell(text: str) -> str:
    """A text in a row: the parser takes one backslash away before each `|`."""
    return _LINE_BREAK.sub("<br>", text.strip().replace("|", "\\|"))


def _shown(markdown: str) -> str:
    """The text that a reader sees."""
    lines = "".join(_pieces(markdown)).split("\n")
    return "\n".join(_SPACES.sub(" ", line).strip(" ") for line in lines).strip("\n")


def _pieces(markdown: str) -> Iterator[str]:
    for token in parser().parseInline(markdown)[0].children or ():
        match token.type:
            case "softbreak" | "hardbreak":
                yield "\n"
            case "math_inline" | "math_inline_block":
                yield token.content.strip()
            case _:
                yield token.content  # also that of an image: its description


def _harmless(text: str) -> str:
    is_run = _RUN.match(text) is not None and _NUMBER.fullmatch(text) is None
    return f"'{text}" if is_run else text


def _field(text: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if _QUOTED.search(text) else text
