"""Blocks that may grow for long: an open code fence, table, list, quote or paragraph.

Their finished parts are sealed one by one, so that a block of any length costs what its
text costs. The parts are parsed behind a header that makes the parser see them as what
they are: the table's first two lines, one item, or a rule in the quote.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Protocol

from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

from .fences import FenceReader
from .html import code_language
from .invisible import ZERO_WIDTHS
from .open_row import OpenRow
from .open_text import open_text
from .sealer import Sealer
from .structure import Parsed, Span, children, end_line, is_decided, settled, spans, top_level
from .table_rules import delimiters

__all__ = ["Container", "open_container"]

_LISTS = ("bullet_list_open", "ordered_list_open")
_QUOTE_MARK = re.compile(r" {0,3}> ?")


class Container(Protocol):
    """An open block that is sealed in parts. `consumed` characters of its text opened it."""

    consumed: int
    ends_at_a_blank_line: bool

    def step(self, text: str, *, final: bool) -> tuple[str, bool]:
        """Seal what can be; return what is left of `text`, and whether the block is over."""

    def tail(self) -> tuple[str, str]:
        """HTML of what the last step left: inside the container, and after it."""


def open_container(sealer: Sealer, span: Span, parsed: Parsed, *, long: bool) -> Container | None:
    """A container for a block that is still open, None where it is better parsed as a whole.

    That is so for all but code fences, and for tables that have rows, lists of two items,
    quotes with a block that is over and paragraphs as long as they are not `long`.
    """
    if long and (text := open_text(sealer, span, parsed)):
        return text
    if not is_decided(span, parsed):
        return None
    if span.kind == "fence":
        return _OpenFence(sealer, span.tokens[0], parsed.lines[span.first])
    return _open_parts(sealer, span, parsed) if long else None


def _open_parts(sealer: Sealer, span: Span, parsed: Parsed) -> Container | None:
    first, kind = span.first, span.kind
    if parsed.lines[first].lstrip(" \t>")[:1] in ZERO_WIDTHS:
        return None  # behind a header of ours this line would begin a block of its own
    if kind == "table_open" and _has_rows(span.tokens, parsed.complete):
        return _OpenTable(sealer, span.tokens, parsed.source(first, first + 2))
    if kind in _LISTS and len(_decided(children(span.tokens), parsed.complete)) > 1:
        return _OpenList(sealer, span.tokens)
    if kind == "blockquote_open" and _has_blocks(span, parsed):
        return _OpenQuote(sealer, span.tokens)
    return None


class _OpenFence:
    """A code fence without its closing line. It needs no parser."""

    ends_at_a_blank_line = False

    def __init__(self, sealer: Sealer, token: Token, opening_line: str) -> None:
        self._sealer = sealer
        self._token = token
        self._reader = FenceReader(token, opening_line)
        self._code: list[str] = []
        self.consumed = len(opening_line) + 1
        token.content = ""
        html = sealer.engine.shell([token])
        at = html.rindex("</code>")
        sealer.enter(html[:at], html[at:], language=code_language(token))

    def step(self, text: str, *, final: bool) -> tuple[str, bool]:
        code, rest = self._reader.feed(text)
        if final and rest is None:
            last, rest = self._reader.at_the_end()
            code += last
        if code:
            self._code.append(code)
            self._sealer.page.write(code)
        if rest is None:
            return "", False
        self._token.content = "".join(self._code)
        self._sealer.leave([self._token])
        return rest, True

    def tail(self) -> tuple[str, str]:
        engine = self._sealer.engine
        code, rest = self._reader.at_the_end()
        if engine.anticipates:
            code = ""  # what may be the closing line would be a flicker
        if not rest:
            return escapeHtml(code), ""
        after = engine.parse(rest, final=False).spans
        return escapeHtml(code), engine.open_html(_joined([span.tokens for span in after]))


class _OpenParts:
    """An open table, list or quote.

    `_header` are complete lines to parse before its text, so that the text goes on with it;
    `_skipped` of the children of such a parse are the header's own.
    """

    _header: str
    _skipped: int

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._engine = sealer.engine
        self._left: tuple[list[Token], list[Token]] = ([], [])  # inside and after, not sealed

    def _opening(self, _tokens: list[Token], /) -> int:
        """How many tokens stand before the first child."""
        return 1

    def _children(self, tokens: list[Token]) -> list[list[Token]]:
        """The rows, items or blocks."""
        return children(tokens)

    def _settled(self, parts: list[list[Token]], parsed: Parsed) -> int:
        """The line before which nothing can change any more, while the whole is open."""
        raise NotImplementedError

    def step(self, text: str, *, final: bool) -> tuple[str, bool]:
        parsed = self._engine.parse(self._header + text, final=final)
        first, *others = parsed.spans
        over = final or settled(parsed) > 0
        header_lines = self._header.count("\n")
        parts = self._children(first.tokens)
        if over:
            end = others[0].start if others else parsed.complete
            others = []
        else:
            end = max(self._settled(parts, parsed), header_lines)
        self._engine.commit(end)
        parts = parts[self._skipped :]
        finished = [part for part in parts if _start(part) < end]
        if finished:
            source = parsed.source(header_lines, end)
            self._sealer.part(_joined(finished), len(finished), source)
        if over:
            self._leave()
        after = [token for span in others for token in span.tokens]
        self._left = _joined(parts[len(finished) :]), after
        return parsed.source(end), over

    def _leave(self) -> None:
        self._sealer.leave()

    def tail(self) -> tuple[str, str]:
        inside, after = self._left
        if after:
            return self._engine.html(inside), self._engine.open_html(after)
        return self._engine.open_html(inside), ""

    def render(self, source: str) -> tuple[str, str]:
        """The opening and the children in `source`, the text of what is sealed."""
        tokens = next(top_level(self._engine.tokens(source)))
        opening = tokens[: self._opening(tokens)]
        return self._engine.html(opening), self._engine.html(_joined(self._children(tokens)))


class _OpenTable(_OpenParts):
    """An open table."""

    ends_at_a_blank_line = True

    def __init__(self, sealer: Sealer, tokens: list[Token], header: str) -> None:
        super().__init__(sealer)
        self._header, self._skipped = header, 0
        self._row = OpenRow(self._engine, delimiters(header.split("\n")[1].strip()) or [])
        self._is_row = False  # whether all that is left is the row that is being written
        self.consumed = len(header)
        opening = self._engine.sealed_html(tokens[: self._opening(tokens)])
        sealer.enter(
            opening, "</tbody></table></div>", rows=True, source=header, render=self.render
        )

    def step(self, text: str, *, final: bool) -> tuple[str, bool]:
        self._is_row = not final and self._row.takes(text)
        return (text, False) if self._is_row else super().step(text, final=final)

    def tail(self) -> tuple[str, str]:
        return (self._row.html(), "") if self._is_row else super().tail()

    def _opening(self, tokens: list[Token], /) -> int:
        return (_body(tokens) or 0) + 1

    def _children(self, tokens: list[Token]) -> list[list[Token]]:
        body = _body(tokens)
        return [] if body is None else children(tokens[body:-1])

    def _settled(self, parts: list[list[Token]], parsed: Parsed) -> int:
        return _end(_before_undecided(_decided(parts, parsed.complete), parsed))


class _OpenList(_OpenParts):
    """An open list. That it is loose may show late; then its items look different."""

    ends_at_a_blank_line = False

    def __init__(self, sealer: Sealer, tokens: list[Token]) -> None:
        super().__init__(sealer)
        first = tokens[0]
        marker = first.markup if first.type == "bullet_list_open" else f"1{first.markup}"
        # Four spaces: no line that goes on with the list can be inside this item.
        self._header, self._skipped = f"{marker}    x\n", 1
        self._tight = True  # as its complete lines have it
        self._seems_tight = _is_tight(tokens)  # as it is with the line that is being written
        self._shown_tight = self._seems_tight  # as the sealed items are shown
        self.consumed = 0
        sealer.enter(self._engine.html([first]), f"</{first.tag}>", render=self.render)

    def _children(self, tokens: list[Token]) -> list[list[Token]]:
        self._seems_tight = self._tight and _is_tight(tokens)
        _set_tightness(tokens, tight=self._shown_tight)
        return super()._children(tokens)

    def _settled(self, parts: list[list[Token]], parsed: Parsed) -> int:
        if self._tight and not self._seems_tight:
            # A line that is still being written need not be a block of this list.
            complete = self._engine.tokens(parsed.source(0, parsed.complete))
            self._tight = _is_tight(next(top_level(complete)))
        return _end(_before_undecided(_decided(parts, parsed.complete)[:-1], parsed))

    def _leave(self) -> None:
        self._tight = self._seems_tight
        self._show_tightness()
        super()._leave()

    def tail(self) -> tuple[str, str]:
        self._show_tightness()
        self._engine.rewind()
        return super().tail()

    def _show_tightness(self) -> None:
        if self._shown_tight != self._seems_tight:
            self._shown_tight = self._seems_tight
            _set_tightness(self._left[0], tight=self._shown_tight)
            self._sealer.refill()

    def render(self, source: str) -> tuple[str, str]:
        seems_tight = self._seems_tight
        html = super().render(source)
        self._seems_tight = seems_tight
        return html


class _OpenQuote(_OpenParts):
    """An open quote, whose blocks are sealed as those of the whole text are."""

    ends_at_a_blank_line = True

    def __init__(self, sealer: Sealer, tokens: list[Token]) -> None:
        super().__init__(sealer)
        self._header, self._skipped = "> ***\n", 1
        self.consumed = 0
        opening = self._engine.html(tokens[: self._opening(tokens)])
        sealer.enter(opening, "</blockquote>", render=self.render)

    def _settled(self, _parts: list[list[Token]], parsed: Parsed) -> int:
        return _settled_in_quote(parsed.spans[0], parsed)


def _body(tokens: list[Token]) -> int | None:
    return next((i for i, token in enumerate(tokens) if token.type == "tbody_open"), None)


def _has_rows(tokens: list[Token], complete: int) -> bool:
    body = _body(tokens)
    return body is not None and bool(_decided(children(tokens[body:-1]), complete))


def _settled_in_quote(quote: Span, parsed: Parsed) -> int:
    """The line before which nothing in a quote can change any more."""
    lines = [_QUOTE_MARK.sub("", line, count=1) for line in parsed.lines[: quote.end]]
    blocks = spans(quote.tokens[1:-1], lines, quote.first)
    complete = min(parsed.complete, quote.end)
    return settled(replace(parsed, lines=lines, complete=complete, spans=blocks))


def _has_blocks(quote: Span, parsed: Parsed) -> bool:
    end = _settled_in_quote(quote, parsed)
    return any(_start(block) < end for block in children(quote.tokens))


def _joined(parts: list[list[Token]]) -> list[Token]:
    return [token for part in parts for token in part]


def _start(part: list[Token]) -> int:
    return part[0].map[0] if part[0].map else 0


def _end(parts: list[list[Token]]) -> int:
    return end_line(parts[-1]) if parts else 0


def _decided(parts: list[list[Token]], complete: int) -> list[list[Token]]:
    """The rows or items that begin on a complete line."""
    return [part for part in parts if _start(part) < complete]


def _before_undecided(parts: list[list[Token]], parsed: Parsed) -> list[list[Token]]:
    """The rows or items that a formula which is still open cannot take in."""
    if parsed.undecided is None:
        return parts
    return [part for part in parts if end_line(part) <= parsed.undecided]


def _is_tight(tokens: list[Token]) -> bool:
    """Whether a top-level list is tight, as the first paragraph that is an item's own tells."""
    own = (token for token in tokens if token.level == 2 and token.type == "paragraph_open")
    return next((token.hidden for token in own), True)


def _set_tightness(tokens: list[Token], *, tight: bool) -> None:
    for token in tokens:
        if token.level == 2 and token.type in ("paragraph_open", "paragraph_close"):
            token.hidden = tight
