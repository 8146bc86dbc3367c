"""Blocks that may grow for long: an open code fence, an open table or list.

Their finished parts are sealed one by one, so that a block of any length costs what its
text costs. Rows and items are parsed behind a header that makes the parser see them as
what they are: the table's first two lines, or one item.
"""

from __future__ import annotations

from typing import Protocol

from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

from .fences import FenceReader
from .sealer import Sealer
from .structure import Parsed, Span, children, is_closed_fence, may_become_table, settled, top_level

__all__ = ["Container", "open_container"]

_LISTS = ("bullet_list_open", "ordered_list_open")


class Container(Protocol):
    """An open block that is sealed in parts. `consumed` characters of its text opened it."""

    consumed: int

    def step(self, text: str, *, final: bool) -> tuple[str, bool]:
        """Seal what can be; return what is left of `text`, and whether the block is over."""

    def tail(self, text: str) -> tuple[str, str]:
        """HTML of what is left: inside the container, and after it."""


def open_container(sealer: Sealer, span: Span, parsed: Parsed, *, long: bool) -> Container | None:
    """A container for the last block of a text, None where it is better parsed as a whole.

    That is so for all but code fences, tables that have rows and lists of two items, and for
    these two as long as they are not `long`.
    """
    kind = span.kind
    if may_become_table(span, parsed.lines):
        return None
    if kind == "fence" and not is_closed_fence(span.tokens[0], parsed.lines):
        return _OpenFence(sealer, span.tokens[0], parsed.lines[span.start])
    if long and kind == "table_open" and _body(span.tokens) is not None:
        return _OpenTable(sealer, span.tokens, parsed.source(span.start, span.start + 2))
    if long and kind in _LISTS and len(children(span.tokens)) > 1:
        return _OpenList(sealer, span.tokens)
    return None


class _OpenFence:
    """A code fence without its closing line. It needs no parser."""

    def __init__(self, sealer: Sealer, token: Token, opening_line: str) -> None:
        self._sealer = sealer
        self._token = token
        self._reader = FenceReader(token, opening_line)
        self._code: list[str] = []
        self.consumed = len(opening_line) + 1
        token.content = ""
        html = sealer.engine.shell([token])
        at = html.rindex("</code>")
        sealer.enter(html[:at], html[at:])

    def step(self, text: str, *, final: bool) -> tuple[str, bool]:
        code, rest = self._reader.feed(text)
        if final and rest is None:
            code += self._reader.pending_code()
            rest = ""
        if code:
            self._code.append(code)
            self._sealer.page.write(code)
        if rest is None:
            return "", False
        self._token.content = "".join(self._code)
        self._sealer.leave([self._token])
        return rest, True

    def tail(self, _text: str) -> tuple[str, str]:
        # What may be the closing line is code by the letter, and a flicker to the eye.
        return "" if self._sealer.engine.complete else escapeHtml(self._reader.pending_code()), ""


class _OpenParts:
    """An open table or list.

    `_header` are complete lines to parse before its text, so that the text goes on with it;
    `_skipped` of the children of such a parse are the header's own.
    """

    _header: str
    _skipped: int

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._engine = sealer.engine

    def _opening(self, _tokens: list[Token], /) -> int:
        """How many tokens stand before the first child."""
        raise NotImplementedError

    def _children(self, tokens: list[Token]) -> list[list[Token]]:
        """The rows or items."""
        raise NotImplementedError

    def _look(self, tokens: list[Token], *, complete: bool) -> None:
        """See what a parse says about the whole; `complete` if it is of complete lines."""

    def _finished(self, parts: list[list[Token]]) -> list[list[Token]]:
        """Those that complete lines cannot change any more."""
        raise NotImplementedError

    def step(self, text: str, *, final: bool) -> tuple[str, bool]:
        cut = len(text) if final else text.rfind("\n") + 1
        if not cut and not final:
            return text, False
        parsed = self._engine.parse(self._header + text[:cut])
        tokens = parsed.spans[0].tokens
        self._look(tokens, complete=True)
        parts = self._children(tokens)[self._skipped :]
        over = final or settled(parsed, text[cut:]) > 0
        if over:
            end = parsed.spans[1].start if len(parsed.spans) > 1 else len(parsed.lines)
        else:
            limit = len(parsed.lines) if parsed.undecided is None else parsed.undecided
            parts = [part for part in self._finished(parts) if _end(part) <= limit]
            end = _end(parts[-1]) if parts else self._header.count("\n")
        self._engine.commit(end)
        if parts:
            source = parsed.source(self._header.count("\n"), end)
            self._sealer.part([token for part in parts for token in part], len(parts), source)
        if over:
            self._leave()
        return parsed.source(end) + text[cut:], over

    def _leave(self) -> None:
        self._sealer.leave()

    def tail(self, text: str) -> tuple[str, str]:
        first, *others = self._engine.parse(self._header + text).spans
        self._look(first.tokens, complete=False)
        parts = self._children(first.tokens)[self._skipped :]
        inside = [token for part in parts for token in part]
        after = [token for span in others for token in span.tokens]
        if after:
            return self._engine.html(inside), self._engine.open_html(after)
        return self._engine.open_html(inside), ""

    def render(self, source: str) -> tuple[str, str]:
        """The opening and the children in `source`, the text of what is sealed."""
        tokens = next(top_level(self._engine.tokens(source)))
        at = self._opening(tokens)
        inside = [token for part in self._children(tokens) for token in part]
        return self._engine.html(tokens[:at]), self._engine.html(inside)


class _OpenTable(_OpenParts):
    def __init__(self, sealer: Sealer, tokens: list[Token], header: str) -> None:
        super().__init__(sealer)
        self._header, self._skipped = header, 0
        self.consumed = len(header)
        opening = self._engine.html(tokens[: self._opening(tokens)])
        sealer.enter(
            opening, "</tbody></table></div>", rows=True, source=header, render=self.render
        )

    def _opening(self, tokens: list[Token], /) -> int:
        return (_body(tokens) or 0) + 1

    def _children(self, tokens: list[Token]) -> list[list[Token]]:
        body = _body(tokens)
        return [] if body is None else children(tokens[body:-1])

    def _finished(self, parts: list[list[Token]]) -> list[list[Token]]:
        return parts


class _OpenList(_OpenParts):
    """An open list. That it is loose may show late; then its items look different."""

    def __init__(self, sealer: Sealer, tokens: list[Token]) -> None:
        super().__init__(sealer)
        first = tokens[0]
        marker = first.markup if first.type == "bullet_list_open" else f"1{first.markup}"
        # Four spaces: no line that goes on with the list can be inside this item.
        self._header, self._skipped = f"{marker}    x\n", 1
        self._tight = True  # as its complete lines have it
        self._shown_tight = True
        self.consumed = 0
        sealer.enter(self._engine.html([first]), f"</{first.tag}>", render=self.render)

    def _opening(self, _tokens: list[Token], /) -> int:
        return 1

    def _children(self, tokens: list[Token]) -> list[list[Token]]:
        _set_tightness(tokens, tight=self._shown_tight)
        return children(tokens)

    def _look(self, tokens: list[Token], *, complete: bool) -> None:
        tight = self._tight and _is_tight(tokens)
        if complete:
            self._tight = tight
        else:
            self._show(tight=tight)

    def _show(self, *, tight: bool) -> None:
        if tight != self._shown_tight:
            self._shown_tight = tight
            self._sealer.refill()

    def _leave(self) -> None:
        self._show(tight=self._tight)
        super()._leave()

    def _finished(self, parts: list[list[Token]]) -> list[list[Token]]:
        return parts[:-1]


def _body(tokens: list[Token]) -> int | None:
    return next((i for i, token in enumerate(tokens) if token.type == "tbody_open"), None)


def _is_tight(tokens: list[Token]) -> bool:
    """Whether a top-level list is tight, as the first paragraph that is an item's own tells."""
    own = (token for token in tokens if token.level == 2 and token.type == "paragraph_open")
    return next((token.hidden for token in own), True)


def _set_tightness(tokens: list[Token], *, tight: bool) -> None:
    for token in tokens:
        if token.level == 2 and token.type in ("paragraph_open", "paragraph_close"):
            token.hidden = tight


def _end(tokens: list[Token]) -> int:
    """The line after the last one of an item or row."""
    return tokens[0].map[1] if tokens[0].map else 0
