"""Inline tokens back to markdown, one line or several, safe in every renderer.

Emphasis is written with `*` where no reader can doubt what it opens and closes, and as
`<em>` elsewhere: between punctuation and a word, where several meet, three levels deep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from .inline_html import HARMLESS_TAGS
from .line_breaks import BREAK
from .links import is_safe_link, plain_text
from .math import inline_formula, typesettable
from .safe_text import (
    GUARDED_DOLLAR,
    attribute_text,
    code_span,
    destination,
    escape_line,
    escape_text,
    trim_line,
)

__all__ = ["inline_cell", "inline_line", "inline_lines"]

_ELEMENTS = {"**": "strong", "*": "em", "~~": "s"}
_MAX_DEPTH = 3  # of delimiters; parsers that recurse give up somewhere, elements stay flat
_DELIMITERS = frozenset("*~_\\")
_CLEAR_NEIGHBOURS = frozenset(" \n\t.,;:!?()'\"/-")
# What a reader may take for the label of a link definition: its `]:` stands in code or in a
# formula, and to some readers also in a block far below.
_OPEN_LABEL = re.compile(r"\[(?:[^\[\]\\]|\\.)*+(?:\]:|\\?\Z)", re.DOTALL)
_BORDER = "<span></span>"  # parts what two signs would mean together
_FIRST_CHARACTERS = {"softbreak": "\n", "hardbreak": "\n", "code_inline": "`", "link_open": "["}
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_AUTOLINK = re.compile(
    rf"(?:https?://|mailto:(?=[^@]*@{_LABEL}(?:\.{_LABEL})*\Z))"
    r"(?:[\w/:?=#%+.,;~!()'-]|@(?!@\d)|&(?=\w+=))+",
    re.ASCII | re.IGNORECASE,
)


def inline_lines(tokens: Sequence[Token]) -> list[str]:
    """The lines of a paragraph."""
    text = _InlineWriter(tokens, in_table=False, one_line=False).write()
    if _OPEN_LABEL.match(text):
        text = f"&#91;{text[1:]}"
    return [escape_line(line) for line in text.split("\n")]


def inline_line(tokens: Sequence[Token]) -> str:
    """One line: the text of a heading."""
    return trim_line(_InlineWriter(tokens, in_table=False, one_line=True).write())


def inline_cell(tokens: Sequence[Token], *, nested: bool) -> str:
    """The text of a cell of a table, which may be `nested` in a list or a quote.

    There it is no table to nbconvert, but a paragraph.
    """
    writer = _InlineWriter(tokens, in_table=True, one_line=True)
    return trim_line(writer.write(alone=not nested)).replace("|", "\\|")


@dataclass(slots=True)
class _Open:
    """Emphasis or a link that is being written.

    Attributes:
        token: what opened it.
        index: the place of its opening among the pieces.
        before: the character before it.
        first: the first character in it, "" while it has none.
        holds_delimiters: whether some emphasis in it is written with delimiters.
        holds_tilde: whether a `~` is in it; mistune ends deleted text at one in code too.
    """

    token: Token
    index: int
    before: str
    first: str = ""
    holds_delimiters: bool = False
    holds_tilde: bool = False


class _InlineWriter:
    def __init__(self, tokens: Sequence[Token], *, in_table: bool, one_line: bool) -> None:
        self._tokens = [t for t in tokens if t.type != "text" or t.content]
        self._in_table = in_table
        self._one_line = one_line
        self._pieces: list[str] = []
        self._last = ""
        self._open: list[_Open] = []
        self._links = 0
        self._keys = 0  # how many `<kbd>` are open
        self._holds_math = False
        self._position = 0

    def write(self, *, alone: bool = True) -> str:
        """The text; `alone` is whether nothing else stands in the same element."""
        while self._position < len(self._tokens):
            token = self._tokens[self._position]
            _WRITERS.get(token.type, _InlineWriter.text)(self, token)
            self._position += 1
        text = "".join(self._pieces)
        if self._holds_math or not alone:
            return text
        return text.replace(GUARDED_DOLLAR, "\\$", 1)  # the only one pairs with nothing

    def _add(self, piece: str) -> None:
        if not piece:
            return
        for opened in reversed(self._open):
            if opened.first:
                break
            opened.first = piece[0]
        if self._open and "~" in piece:
            self._open[-1].holds_tilde = True
        self._pieces.append(piece)
        self._last = piece[-1]

    def _following(self) -> Token | None:
        after = self._position + 1
        return self._tokens[after] if after < len(self._tokens) else None

    # -- text, code, math --------------------------------------------------------

    def text(self, token: Token) -> None:
        # JupyterLab takes the text in a `<kbd>` for HTML, where `&copy` needs no semicolon.
        parts = token.content.split("&") if self._keys else [token.content]
        text = "&amp;".join(escape_text(part, in_link=self._links > 0) for part in parts)
        following = self._following()
        if following is not None and following.type in ("link_open", "image") and text[-1] == "!":
            text = text[:-1] + "\\!"
        self._add(text)

    def line_break(self, token: Token) -> None:
        if token.type == "softbreak":
            self._add(" " if self._one_line else "\n")
        elif token.markup != BREAK:
            self._add("<br>" if self._one_line else "\\\n")
        else:
            # Not `\`, which the readers see differently where several follow each other; and
            # alone on its line an element would begin a block of HTML.
            self._add("<br>" if self._last not in ("", "\n") else "<span></span><br>")

    def code(self, token: Token) -> None:
        self._add_code(token.content)

    def _add_code(self, code: str) -> None:
        if self._last in ("`", "$"):
            self._add("<span></span>")  # else the two are read as one
        self._add(code_span(code, in_link=self._links > 0, in_table=self._in_table))

    def math(self, token: Token) -> None:
        display = token.type == "math_inline_block"
        tex = typesettable(token, one_line=True)
        if tex is None or (self._in_table and "\\|" in tex):
            self._add_code(" ".join(token.content.split()))
            return
        if self._in_table:
            tex = tex.replace("|", "\\vert ").rstrip()
        at_line_start = display and self._last in ("", "\n")  # there it would be a block
        is_in_word = self._last.isascii() and self._last.isalnum()  # there it would be a price
        if self._last == "$" or is_in_word or at_line_start:
            self._add(_BORDER)
        self._holds_math = True
        self._add_formula(tex, "$$" if display else "$")

    def _add_formula(self, tex: str, mark: str) -> None:
        """Add a formula, parted from what would make it something else."""
        following = self._following()
        after = following.content if following is not None and following.type == "text" else ""
        written = f"{mark}{tex}{mark}"
        is_read = inline_formula(written + after[:2], 0, len(written) + 2) is not None
        self._add(written if is_read else written + _BORDER)

    def footnote_reference(self, token: Token) -> None:
        self._add(f"<sup>{escape_text(token.content, in_link=True)}</sup>")

    def tag(self, token: Token) -> None:
        self._keys += token.nesting if token.tag == "kbd" else 0
        following = self._following()
        alone = following is None or following.type != "text" or following.content[0].isspace()
        if self._last in ("", "\n") and alone:
            self._add("<span></span>")  # alone on its line it would begin a block of HTML
        self._add(f"<{token.tag}>" if token.nesting == 1 else f"</{token.tag}>")

    # -- emphasis ----------------------------------------------------------------

    def emphasis_open(self, token: Token) -> None:
        self._open.append(_Open(token, len(self._pieces), self._last))
        self._pieces.append("")  # what it is is known when it closes
        self._last = "*"

    def emphasis_close(self, token: Token) -> None:
        opened = self._leave()
        mark = token.markup.replace("_", "*")
        alone = not opened.holds_delimiters and not self._open
        clear = (
            len(self._open) < _MAX_DEPTH
            and not (mark == "~~" and opened.holds_tilde)
            and _is_clear(opened.before, opened.first, alone=alone)
            and _is_clear(self._next_character(), self._last, alone=alone)
        )
        element = _ELEMENTS[mark]
        opening, closing = (mark, mark) if clear else (f"<{element}>", f"</{element}>")
        self._pieces[opened.index] = opening
        if self._open:
            outer = self._open[-1]
            outer.holds_delimiters |= clear
            if outer.index == opened.index - 1:
                outer.first = opening[0]
        self._add(closing)

    def _leave(self) -> _Open:
        """Close the innermost emphasis or link; what it holds, the one around it holds too."""
        opened = self._open.pop()
        if self._open:
            self._open[-1].holds_delimiters |= opened.holds_delimiters
            self._open[-1].holds_tilde |= opened.holds_tilde
        return opened

    def _next_character(self) -> str:
        following = self._following()
        if following is None:
            return ""
        if following.type == "text":
            return following.content[0]
        return _FIRST_CHARACTERS.get(following.type, "*")

    # -- links and images --------------------------------------------------------

    def link_open(self, token: Token) -> None:
        if self._write_autolink(token):
            return
        self._open.append(_Open(token, len(self._pieces), self._last))
        self._links += 1
        if is_safe_link(str(token.attrs["href"])):
            self._add("[")

    def _write_autolink(self, token: Token) -> bool:
        """Write a link whose text is its address, as a renderer finds one by itself."""
        following = self._tokens[self._position + 1 : self._position + 3]
        if [t.type for t in following] != ["text", "link_close"] or "title" in token.attrs:
            return False
        text, url = following[0].content, str(token.attrs["href"])
        if self._links:
            self.text(following[0])  # no link stands in a link
        elif url in (text, f"mailto:{text}") and _AUTOLINK.fullmatch(url):
            self._add(f"<{text}>")
        else:
            return False
        self._position += 2
        return True

    def link_close(self, _token: Token) -> None:
        attributes = self._leave().token.attrs
        self._links -= 1
        if is_safe_link(str(attributes["href"])):
            self._add(f"]{_target(attributes, 'href')}")

    def image(self, token: Token) -> None:
        description = attribute_text(plain_text(token.children))
        self._add(f"![{description}]{_target(token.attrs, 'src')}")


def _is_clear(outside: str, inside: str, *, alone: bool) -> bool:
    """Whether a delimiter between these two characters can be read in one way only.

    Inside a word it could open or close; that does no harm where no other is near (`alone`).
    """
    if inside.isalnum():
        return outside not in _DELIMITERS and (alone or not outside.isalnum())
    beside_space = not outside or outside in _CLEAR_NEIGHBOURS
    return beside_space and not inside.isspace() and inside not in _DELIMITERS


def _target(attributes: Mapping[str, str | int | float], name: str) -> str:
    title = attribute_text(str(attributes.get("title", "")))
    url = destination(str(attributes[name]))
    return f'({url} "{title}")' if title else f"({url})"


_WRITERS: dict[str, Callable[[_InlineWriter, Token], None]] = {
    "text": _InlineWriter.text,
    "softbreak": _InlineWriter.line_break,
    "hardbreak": _InlineWriter.line_break,
    "code_inline": _InlineWriter.code,
    "math_inline": _InlineWriter.math,
    "math_inline_block": _InlineWriter.math,
    "footnote_ref": _InlineWriter.footnote_reference,
    "em_open": _InlineWriter.emphasis_open,
    "em_close": _InlineWriter.emphasis_close,
    "strong_open": _InlineWriter.emphasis_open,
    "strong_close": _InlineWriter.emphasis_close,
    "s_open": _InlineWriter.emphasis_open,
    "s_close": _InlineWriter.emphasis_close,
    "link_open": _InlineWriter.link_open,
    "link_close": _InlineWriter.link_close,
    "image": _InlineWriter.image,
    **{f"{tag}_{end}": _InlineWriter.tag for tag in HARMLESS_TAGS for end in ("open", "close")},
}
