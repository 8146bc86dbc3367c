"""Data out of markdown: code blocks, tables and formulas, found by the parser that shows them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from markdown_it.token import Token

from .html import code_language, parse_blocks, parser
from .safe_text import clean
from .table_rules import padded
from .table_text import csv_of, markdown_of

__all__ = [
    "CodeBlock",
    "Formula",
    "Table",
    "code_blocks",
    "formulas",
    "link_definitions",
    "tables",
    "unused_definitions",
]


_HARD_TO_DEFINE = re.compile(r"[\\\[\]\n]")
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A code block: the first word of its info string, and its text, which is its `str`."""

    language: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Table:
    """A table: header cells and as many in each row, as markdown text. Its `str` is markdown.

    Attributes:
        header: the cells of the first row.
        rows: the cells of the others.
        alignments: of each column `left`, `center`, `right` or "", as far as they are known.
            Tables that differ in nothing else are equal.
    """

    header: list[str]
    rows: list[list[str]]
    alignments: list[str] = field(default_factory=list, compare=False, repr=False)

    def __str__(self) -> str:
        return self.to_markdown()

    def to_markdown(self) -> str:
        """The table as a GFM table (https://github.github.com/gfm/#tables-extension-).

        Where a row has more cells than the header, the header gets empty ones.
        """
        return markdown_of([self.header, *self.rows], self.alignments)

    def to_csv(self) -> str:
        """The table as CSV (RFC 4180), its cells as they are read: a link is its text.

        What a spreadsheet would run, because it begins with `=`, `+`, `-` or `@`, has a `'`
        before it, which spreadsheets take for "this is text". Numbers, such as `-1,234.5 %`,
        are as they are.
        """
        return csv_of([self.header, *self.rows])


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula.

    Attributes:
        tex: the TeX between the delimiters, as the model wrote it.
        shown: what a page gives its typesetter, delimiters included; "" where it is shown as code.
    """

    tex: str
    shown: str


def code_blocks(markdown: str) -> list[CodeBlock]:
    """The fenced and indented code blocks of `markdown`, nested ones too, in order."""
    return [
        CodeBlock(code_language(token), token.content)
        for token in parse_blocks(markdown, {})
        if token.type in ("fence", "code_block")
    ]


def link_definitions(markdown: str) -> str:
    """What defines the labels of `markdown`'s links, and shows nothing itself; or ""."""
    env: dict[str, Any] = {}
    if "]:" in markdown:
        parse_blocks(clean(markdown), env)
    return "".join(
        f"[{label}]: <{link['href']}>\n"
        for label, link in env.get("references", {}).items()
        if link["href"] and not _HARD_TO_DEFINE.search(label)
    )


def unused_definitions(markdown: str) -> str:
    """Markdown that shows the definitions of `markdown` that nothing in it refers to; or ""."""
    if "]:" not in markdown:
        return ""
    env: dict[str, Any] = {}
    parser().parse(clean(markdown), env)
    used = env.get("used_labels", ())
    unused = [each.text for each in env.get("definitions", ()) if each.label not in used]
    return "\\\n".join(text.replace("[", "&#91;", 1) for text in unused)


def tables(markdown: str) -> list[Table]:
    """The tables of `markdown`, in order."""
    found: list[Table] = []
    rows: list[list[str]] = []
    alignments: list[str] = []
    for token in parse_blocks(markdown, {}):
        if token.type == "table_open":
            rows, alignments = [], []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "th_open":
            alignments.append(str(token.attrs.get("style", "")).removeprefix("text-align:"))
        elif token.type == "inline" and rows and token.level >= 4:
            rows[-1].append(token.content)
        elif token.type == "table_close":
            header, *others = padded(rows)
            found.append(Table(header, others, alignments))
            rows = []
    return found


def formulas(markdown: str) -> list[Formula]:
    """The formulas of `markdown`, in order, with those that are shown as code."""
    return [
        Formula(token.content.strip(), _typeset_text(token))
        for token in _flat(parser().parse(markdown))
        if token.type.startswith("math_")
    ]


def _flat(tokens: Iterable[Token]) -> Iterator[Token]:
    """The tokens, and what is inside those that are blocks' texts."""
    for token in tokens:
        if token.type == "inline":
            yield from token.children or ()
        else:
            yield token


def _typeset_text(token: Token) -> str:
    """The text of the element that the typesetter gets, by the renderer that writes it."""
    md = parser()
    written: str = getattr(md.renderer, token.type)([token], 0, md.options, {})
    return html.unescape(_TAG.sub("", written)) if 'class="nbs-math"' in written else ""
