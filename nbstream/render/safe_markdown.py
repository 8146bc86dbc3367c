"""Markdown from a model -> markdown that is safe where raw HTML is allowed.

What is saved in a notebook is rendered by JupyterLab (marked), nbconvert (mistune),
markdown-it and others, all of which let HTML through. So the text is written again from
the parser's tokens: rendered with HTML allowed, it gives what our renderer gives without.
Attribute-free elements (`<em>`, `<code>`, `<span>`, ...) stand in where the renderers do
not agree on any markdown; `<div dir="rtl">` and `<p style="text-align:right">` say what markdown
cannot; nothing of the model's own text can become a tag.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it.token import Token

from .definitions import unused_definitions
from .diagrams import MERMAID, DiagramBudget
from .html import code_language, code_title, parse_blocks, parse_inside, parser
from .math import typesettable
from .safe_html import right_to_left_paragraph
from .safe_inline import inline_cell, inline_line, inline_lines
from .safe_text import clean, code_block, escape_line, escape_text
from .style import DEFAULT_STYLE, RenderStyle
from .table_rules import padded

__all__ = ["safe_markdown"]

_ALIGNMENT = {
    "text-align:left": ":---",
    "text-align:center": ":---:",
    "text-align:right": "---:",
}
# A tight list has no blank lines, but behind these there must be one, ...
_RUN_ON = frozenset({"blockquote_open", "bullet_list_open", "ordered_list_open", "table_open"})
# ... and between two of these, or they would be one paragraph.
_TEXT = frozenset({"paragraph_open", "footnote_open", "table_open", "math_block"})
# A formula parts its own lines from those around it.
_PARTED_BY_MATH = frozenset(
    {
        ("math_block", "math_block"),
        ("math_block", "paragraph_open"),
        ("paragraph_open", "math_block"),
    }
)
_NOTHING = "&#32;"
_RIGHT_TO_LEFT = '<div dir="rtl">'
_MARK = re.compile(r"(?:^|\s)(?:[>*-]|\d+[.)]) \Z")  # of a quote or an item, without a task's box
_HIGHEST_NUMBER = 999_999_999  # of a list item, in CommonMark


def safe_markdown(markdown: str, style: RenderStyle = DEFAULT_STYLE) -> str:
    """`markdown` in a form that renders the same, and safely, with raw HTML allowed.

    Args:
        markdown: the text, from whatever source.
        style: how the text looks.
    """
    env: dict[str, Any] = {"style": style}
    # What is inside a block is parsed when the block is written: all at once it would take
    # a hundred times the memory of a long text.
    return _BlockWriter(parse_blocks(clean(markdown), env), env, style).write()


@dataclass(slots=True)
class _Container:
    """The document, a list, an item, a quote or a note, while its children are written.

    Attributes:
        outside: the prefix of the lines around it.
        tight: whether its children follow each other without a blank line.
        last: the token type of its last child, "" while it has none.
        mark: of a list, what its items begin or are numbered with: `-`, `*`, `.` or `)`.
        number: of a numbered list, the number of the next item.
        runs_on: of a list, whether its next item follows a text without a blank line; one that
            is empty would be taken for a part of the text.
        last_mark: the mark of the last list in it.
    """

    outside: str
    tight: bool = False
    last: str = ""
    mark: str = ""
    number: int = 0
    runs_on: bool = False
    last_mark: str = ""


class _BlockWriter:
    """Writes a document line by line; each line is written once, with its whole prefix."""

    def __init__(self, tokens: Sequence[Token], env: dict[str, Any], style: RenderStyle) -> None:
        self._tokens = tokens
        self._env = env
        self._diagrams = DiagramBudget(is_allowed=style.diagrams)
        self._tight = _tight_lists(tokens)
        self._position = 0
        self._lines: list[str] = []
        self._prefix = ""
        self._first_prefix: str | None = None  # of the next line, where it begins an item
        self._containers = [_Container("")]
        self._is_right_to_left = False

    def write(self) -> str:
        self._write_blocks()
        definitions, used = self._env.get("definitions", ()), self._env.get("used_labels", ())
        self._tokens = [*self._tokens, *unused_definitions(parser(), definitions, used, self._env)]
        self._write_blocks()
        self._turn(right_to_left=False)
        return "\n".join(self._lines)

    def _write_blocks(self) -> None:
        while self._position < len(self._tokens):
            token = self._tokens[self._position]
            if token.level == 0 and token.nesting >= 0:
                self._turn(right_to_left=_is_right_to_left(self._tokens, self._position))
            _WRITERS.get(token.type, _BlockWriter.other)(self, token)
            self._position += 1

    def _turn(self, *, right_to_left: bool) -> None:
        """Change the direction of the blocks that follow."""
        if right_to_left == self._is_right_to_left:
            return
        self._is_right_to_left = right_to_left
        document = self._containers[0]
        if not right_to_left:
            self._lines += ["", "</div>"]
            document.last = "div"
            return
        self._lines += ["", _RIGHT_TO_LEFT, ""] if document.last else [_RIGHT_TO_LEFT, ""]
        document.last = ""

    # -- lines and containers ----------------------------------------------------

    def _begin(self, token: Token) -> _Container:
        """The innermost container gets a child, which begins here; return the container."""
        container = self._containers[-1]
        last = container.last
        must_part = last in _RUN_ON or (last in _TEXT and token.type in _TEXT)
        if container.tight and (last, token.type) in _PARTED_BY_MATH:
            must_part = False  # else the list would be loose
        if last and (must_part or not container.tight):
            self._lines.append(self._prefix.rstrip())
        container.last = token.type
        return container

    def _write(self, lines: Sequence[str]) -> None:
        for line in lines:
            prefix = self._prefix if self._first_prefix is None else self._first_prefix
            self._first_prefix = None
            self._lines.append(prefix + line if line else prefix.rstrip())

    def _open(self, container: _Container, first: str, rest: str) -> None:
        """Enter a container: `first` stands before its first line, `rest` before the others."""
        around = self._prefix if self._first_prefix is None else self._first_prefix
        self._first_prefix = around + first
        self._prefix += rest
        self._containers.append(container)

    def close(self, _token: Token) -> None:
        around = self._containers[-2]
        if self._first_prefix is not None:
            self._write([_NOTHING if around.runs_on else ""])
        around.runs_on = False
        self._prefix = self._containers.pop().outside

    @property
    def _nested(self) -> bool:
        return self._prefix != "" or self._first_prefix is not None

    @property
    def _is_text_next(self) -> bool:
        following = self._tokens[self._position + 1 : self._position + 3]
        return following[0].type == "paragraph_open" and bool(following[1].content)

    def _inline(self) -> Sequence[Token]:
        """The inline tokens of the block that opens here; go on to its closing token."""
        self._position += 2
        token = self._tokens[self._position - 1]
        parse_inside([token], self._env)
        found, token.children = token.children or [], []  # not kept: that takes much memory
        return found

    # -- containers --------------------------------------------------------------

    def quote(self, token: Token) -> None:
        self._begin(token)
        self._open(_Container(self._prefix), "> ", "> ")

    def list(self, token: Token) -> None:
        marks = ".)" if token.type == "ordered_list_open" else "-*"
        mark = marks[self._would_clash(token, marks[0])]
        around = self._containers[-1]
        runs_on = around.tight and around.last in _TEXT
        self._begin(token).last_mark = mark
        tight = self._position in self._tight
        items = _Container(self._prefix, tight=tight, mark=mark, runs_on=runs_on)
        items.number = int(token.attrs.get("start", 1))
        self._containers.append(items)

    def _would_clash(self, token: Token, mark: str) -> bool:
        """Whether this list would go on with the one before it, or `- - -` be a rule."""
        around = self._containers[-1]
        if around.last:
            return around.last == token.type and around.last_mark == mark
        return self._first_prefix is not None and self._first_prefix.endswith(f"{mark} ")

    def item(self, token: Token) -> None:
        items = self._begin(token)
        marker = f"{items.mark} "
        if items.mark in ".)":
            marker = f"{items.number}{marker}"
            items.number = min(items.number + 1, _HIGHEST_NUMBER)
        self._open(_Container(self._prefix, tight=items.tight), marker, " " * len(marker))
        if "checked" in token.meta:
            self._task(done=token.meta["checked"])

    def _task(self, *, done: bool) -> None:
        """A checkbox. It stands before a paragraph; elsewhere it gets one that is empty."""
        box = "[x] " if done else "[ ] "
        if self._is_text_next:
            self._first_prefix = f"{self._first_prefix}{box}"
        else:
            self._write([f"{box}{_NOTHING}"])
            item = self._containers[-1]
            item.last, item.tight = "paragraph_open", False

    def note(self, token: Token) -> None:
        self._begin(token)
        label = f"<sup>{escape_text(token.meta['label'], in_link=True)}</sup>"
        note = _Container(self._prefix)
        if self._is_text_next:
            self._open(note, f"{label} ", "")
        else:
            self._write([label])
            note.last = "paragraph_open"
            self._containers.append(note)

    def close_note(self, token: Token) -> None:
        note = self._containers[-1]
        self.close(token)
        around = self._containers[-1]  # in which the note's blocks stand, to a reader
        around.last, around.last_mark = note.last, note.last_mark

    # -- leaves ------------------------------------------------------------------

    def paragraph(self, token: Token) -> None:
        if content := self._inline():
            self._begin(token)
            at_right = self._stands_at_the_right(token)
            self._write([right_to_left_paragraph(content)] if at_right else inline_lines(content))

    def _stands_at_the_right(self, token: Token) -> bool:
        """Whether this paragraph is to stand at the right, and can begin a block of HTML."""
        is_right = self._is_right_to_left or token.attrs.get("dir") == "rtl"
        before = self._first_prefix
        return (
            is_right and not token.hidden and (before is None or _MARK.search(before) is not None)
        )

    def heading(self, token: Token) -> None:
        self._begin(token)
        text = inline_line(self._inline())
        if text.endswith("#") and not text.endswith("\\#"):
            text = f"{text[:-1]}\\#"
        self._write([f"{'#' * int(token.tag[1])} {text}".rstrip()])

    def rule(self, token: Token) -> None:
        self._begin(token)
        self._write(["___"])

    def code(self, token: Token) -> None:
        if title := code_title(token):
            text = Token("text", "", 0, content=title)
            self._begin(Token("paragraph_open", "p", 1))
            self._write(inline_lines([text]))
        self._begin(token)
        self._write(self._code(token.content, code_language(token)))

    def _code(self, code: str, language: str) -> Sequence[str]:
        return code_block(
            code,
            language,
            nested=self._nested,
            right_to_left=self._is_right_to_left,
            is_diagram=language.lower() == MERMAID and self._diagrams.may_draw(code),
        )

    def math(self, token: Token) -> None:
        self._begin(token)
        parse_inside([token], self._env)
        tex = typesettable(token, one_line=self._nested)
        if tex is None:
            self._write(self._code(token.content.strip("\n"), "latex"))
        elif "\n" in tex:
            self._write(["$$", *tex.split("\n"), "$$"])
        else:
            self._write([f"$${tex}$$"])

    def table(self, token: Token) -> None:
        self._begin(token)
        rows: list[list[str]] = []
        alignment: list[str] = []
        while token.type != "table_close":
            if token.type == "tr_open":
                rows.append([])
            elif token.type in ("th_open", "td_open"):
                if token.type == "th_open":
                    alignment.append(_ALIGNMENT.get(str(token.attrs.get("style")), "---"))
                rows[-1].append(inline_cell(self._inline(), nested=self._nested))
            self._position += 1
            token = self._tokens[self._position]
        header, *others = padded(rows, joint=" \\| ")
        alignment += ["---"] * (len(header) - len(alignment))
        self._write([_row(row) for row in (header, alignment, *others)])

    def other(self, token: Token) -> None:
        """A token that the parser does not give now: its text is kept."""
        if token.content:
            self._begin(token)
            self._write([escape_line(escape_text(line)) for line in token.content.split("\n")])


def _is_right_to_left(tokens: Sequence[Token], position: int) -> bool:
    """Whether the block that begins here is, or the first one of a note."""
    if tokens[position].type == "footnote_open":
        position += 1
    return tokens[position].attrs.get("dir") == "rtl"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _tight_lists(tokens: Sequence[Token]) -> set[int]:
    """The positions of the lists whose items' own paragraphs are tight."""
    tight: set[int] = set()
    open_lists: list[int] = []
    for position, token in enumerate(tokens):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            open_lists.append(position)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            open_lists.pop()
        elif token.type == "paragraph_open" and token.hidden:
            tight.add(open_lists[-1])
    return tight


_WRITERS: dict[str, Callable[[_BlockWriter, Token], None]] = {
    "blockquote_open": _BlockWriter.quote,
    "blockquote_close": _BlockWriter.close,
    "bullet_list_open": _BlockWriter.list,
    "bullet_list_close": _BlockWriter.close,
    "ordered_list_open": _BlockWriter.list,
    "ordered_list_close": _BlockWriter.close,
    "list_item_open": _BlockWriter.item,
    "list_item_close": _BlockWriter.close,
    "footnote_open": _BlockWriter.note,
    "footnote_close": _BlockWriter.close_note,
    "paragraph_open": _BlockWriter.paragraph,
    "heading_open": _BlockWriter.heading,
    "hr": _BlockWriter.rule,
    "fence": _BlockWriter.code,
    "code_block": _BlockWriter.code,
    "math_block": _BlockWriter.math,
    "table_open": _BlockWriter.table,
}
