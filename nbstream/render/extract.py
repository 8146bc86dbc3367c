"""Data out of markdown: code blocks and tables, found by the parser that shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .html import code_language, parse_blocks, parser
from .safe_text import clean
from .table_rules import padded

__all__ = ["CodeBlock", "Table", "code_blocks", "link_definitions", "tables"]


_HARD_TO_DEFINE = re.compile(r"[\\\[\]\n]")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A code block: the first word of its info string, and its text."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: header cells and as many in each row, as markdown text."""

    header: list[str]
    rows: list[list[str]]


def code_blocks(markdown: str) -> list[CodeBlock]:
    """The fenced and indented code blocks of `markdown`, nested ones too, in order."""
    return [
        CodeBlock(code_language(token), token.content)
        for token in parser().parse(markdown)
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


def tables(markdown: str) -> list[Table]:
    """The tables of `markdown`, in order."""
    found: list[Table] = []
    rows: list[list[str]] = []
    for token in parser().parse(markdown):
        if token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level >= 4:
            rows[-1].append(token.content)
        elif token.type == "table_close":
            header, *others = padded(rows)
            found.append(Table(header, others))
            rows = []
    return found
