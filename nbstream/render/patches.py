"""What a view is sent: the operations that bring its page from one moment to the next.

A page shows sealed blocks (one element each), at most one open container after them, and
a tail: HTML of what may still change, which goes inside the open container or else after
the sealed blocks. The tail's closing tags at its end are left out; the parser of HTML adds
them. Behind an open container there may be HTML of what seems to come after it.

======================================  ==============================================
`["tail", keep, html]`                  keep so many characters of the tail, then `html`
`["after", keep, html]`                 the same of what is behind the open container
`["text", depth, text]`                 text at the tail's end, `depth` elements down
`["seal", count, length]`               the tail's first `count` elements, of so many
                                        characters, are sealed
`["enter", depth, length]`              the tail's first element, `depth` elements down, is
                                        the open container; so many characters opened it
`["part", length]`                      the tail's first `length` characters are sealed, text of
                                        the open container, a paragraph
`["reopen"]`                            the open container is gone, and the tail begins there
`["code", text]`                        more text in the open container, a code block
`["leave"]`                             the container is complete; what is behind it is
                                        the tail
`["refill", depth, html]`               the container anew, with what is sealed in it
`["replace", index, html]`              a sealed block anew
`["mark", index, runs, ...]`            colours for the code blocks in a sealed block
======================================  ==============================================

Characters are counted in UTF-16 units, as JavaScript does.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from markdown_it.token import Token

from .blocks import Blocks
from .highlight import Colouring, prepare
from .html import code_language, sanitize
from .invisible import VisibleReader
from .safe_text import printable
from .style import DEFAULT_STYLE, RenderStyle

__all__ = ["Document", "Op", "warm_up"]

#: One operation: its name and its arguments, JSON data.
Op = list[Any]

_TOKENS_A_FRAME = 2_000  # of Pygments: some milliseconds

_CLOSING_TAGS = re.compile(
    r"(?:</code></pre>|</(?:blockquote|div|h[1-6]|li|ol|p|pre|table|tbody|td|th|thead|tr|ul)>)+\Z"
)
_LINE_MARKS = re.compile(r"\n[ \t>]*")


class Document:
    """One markdown text that grows in a view.

    Args:
        style: how the text looks.
        anticipates: whether what is open is shown as what it is about to become (`**bold` is
            bold), instead of as what it would be if the text ended there.
    """

    def __init__(self, style: RenderStyle = DEFAULT_STYLE, *, anticipates: bool = True) -> None:
        self._news: list[str] = []
        self._signs = VisibleReader()
        self._page = _Patcher()
        self._blocks = Blocks(self._page, style, anticipates=anticipates)

    @property
    def parsed(self) -> int:
        """How many characters were given to the parser in all."""
        return self._blocks.parsed

    def feed(self, text: str) -> None:
        """More of the text. Nothing is parsed yet."""
        self._news.append(text)

    def patch(self) -> list[Op]:
        """The operations from what the last call left to now; none if nothing came."""
        if self._news:
            self._blocks.advance(self._take_news(final=False))
        elif self._page.is_waiting:
            self._page.colour()
        return self._page.take()

    def close(self) -> list[Op]:
        """The same, and the text has ended: nothing is left open."""
        self._blocks.advance(self._take_news(final=True), final=True)
        self._page.colour(None)
        return self._page.take()

    def snapshot(self) -> dict[str, Any]:
        """The whole page as the last `patch` or `close` left it, as JSON data."""
        return self._page.snapshot()

    def _take_news(self, *, final: bool) -> str:
        text = printable(self._signs.read("".join(self._news), final=final))
        self._news.clear()
        return text


def warm_up() -> None:
    """Load what the first answer needs. The time to do so is while its first token is awaited."""
    document = Document()
    document.feed("**a** $b$\n\n- c\n")
    document.close()


class _Patcher:
    """The page of a `Blocks`, as the operations that a view replays.

    What is sealed is in the view's tail already, more or less. So it is not sent again: the
    tail is patched to what is sealed now and what is open, as one text (`_sealing` and then
    the new tail), and cut at the front.
    """

    def __init__(self) -> None:
        self._ops: list[Op] = []
        self._blocks: list[list[str]] = []  # HTML and colours of each
        self._open: _OpenContainer | None = None
        self._tail = _Tail("")
        self._after = _Tail("")
        self._sealing: list[str] = []
        self._cuts: list[Op] = []  # what to do once `_sealing` is in the view's tail
        self._plain: deque[tuple[int, list[Colouring]]] = deque()  # blocks without their colours

    def take(self) -> list[Op]:
        """The operations since the last call."""
        ops, self._ops = self._ops, []
        return ops

    def snapshot(self) -> dict[str, Any]:
        container = self._open and self._open.state()
        return {
            "blocks": [list(block) for block in self._blocks],
            "open": container,
            "tail": self._tail.html,
            "after": self._after.html,
        }

    @property
    def is_waiting(self) -> bool:
        """Whether there is more to do, also if no text comes."""
        return bool(self._plain)

    def colour(self, tokens: int | None = _TOKENS_A_FRAME) -> None:
        """Give code blocks their colours, to the end if `tokens` is None."""
        while self._plain:
            index, colourings = self._plain[0]
            for colouring in colourings:
                if not colouring.is_done:
                    taken = colouring.advance(tokens)
                    tokens = None if tokens is None else tokens - taken
                if not colouring.is_done:
                    return
            self._plain.popleft()
            runs = [colouring.runs for colouring in colourings]
            if any(runs):
                self._blocks[index][1:] = runs
                self._ops.append(["mark", index, *runs])

    # -- what the blocks say -----------------------------------------------------

    def seal(self, html: str, code: list[Token]) -> None:
        html = sanitize(html)
        self._cut("seal", 1, html)
        self._new_block(html, code)

    def enter(self, opening: str, closing: str, *, rows: bool = False, language: str = "") -> None:
        prepare(language)
        whole = sanitize(opening + closing)
        self._open = _OpenContainer(whole.removesuffix(closing), closing, rows=rows)
        self._cut("enter", self._open.depth, self._open.opening)

    def add(self, html: str, count: int) -> None:
        assert self._open
        html = sanitize(html, rows=self._open.rows)
        self._open.parts.append(html)
        self._cut("seal", count, html)

    def add_text(self, html: str) -> None:
        assert self._open
        html = sanitize(html)
        self._open.parts.append(html)
        self._sealing.append(html)
        self._cuts.append(["part", _length(html)])

    def reopen(self) -> None:
        self._flush(_Tail(""))
        self._ops.append(["reopen"])
        self._open = None
        self._after = _Tail("")

    def write(self, text: str) -> None:
        assert self._open
        self._open.code.append(text)
        self._flush(_Tail(""))
        if self._ops and self._ops[-1][0] == "code":
            self._ops[-1][1] += text
        else:
            self._ops.append(["code", text])

    def leave(self, code: list[Token]) -> None:
        assert self._open
        self._flush(_Tail(""))
        self._ops.append(["leave"])
        self._tail, self._after = self._after, _Tail("")
        html = self._open.html()
        self._open = None
        self._new_block(html, code)

    def refill(self, opening: str, html: str) -> None:
        assert self._open
        kept = self._tail
        if self._cuts:
            kept = _Tail("")
            self._flush(kept)
        whole = sanitize(opening + self._open.closing)
        self._open.opening = whole.removesuffix(self._open.closing)
        self._open.parts = [sanitize(html, rows=self._open.rows)]
        content = self._open.opening + self._open.parts[0]
        self._ops.append(["refill", self._open.depth, content])
        self._tail = _Tail("")
        self._flush(kept)

    def replace(self, index: int, html: str) -> None:
        block = self._blocks[index]
        block[0] = sanitize(html)
        self._ops.append(["replace", index, block[0]])
        if len(block) > 1:
            self._ops.append(["mark", index, *block[1:]])

    def tail(self, html: str, after: str) -> None:
        rows = self._open is not None and self._open.rows
        self._flush(_Tail(sanitize(html, rows=rows)))
        behind = _Tail(sanitize(after))
        if behind.html != self._after.html:
            self._ops.append(["after", *_difference(self._after.html, behind.html)])
        self._after = behind
        self.colour()

    def append(self, text: str) -> None:
        shown = self._after if self._after.html else self._tail
        in_paragraph = shown is self._tail and self._open is not None and self._open.is_text
        if not shown.depth and not (in_paragraph and shown.html):
            return
        if not shown.is_code:
            if shown.html.endswith("\n"):
                text = text.lstrip(" \t>")
            text = _LINE_MARKS.sub("\n", text)
        shown.html += _escaped(text)
        if self._ops and self._ops[-1][:2] == ["text", shown.depth]:
            self._ops[-1][2] += text
        else:
            self._ops.append(["text", shown.depth, text])

    # -- how it is sent ----------------------------------------------------------

    def _cut(self, name: str, number: int, html: str) -> None:
        self._sealing.append(html)
        if name == "seal" and self._cuts and self._cuts[-1][0] == "seal":
            self._cuts[-1][1] += number
            self._cuts[-1][2] += _length(html)
        else:
            self._cuts.append([name, number, _length(html)])

    def _flush(self, tail: _Tail) -> None:
        """Send what is sealing, with `tail` behind it."""
        whole = "".join([*self._sealing, tail.html])
        if whole != self._tail.html:
            self._ops.append(["tail", *_difference(self._tail.html, whole)])
        self._ops += self._cuts
        self._tail = tail
        self._sealing.clear()
        self._cuts = []

    def _new_block(self, html: str, code: list[Token]) -> None:
        colourings = [Colouring(token.content, code_language(token)) for token in code]
        if not all(colouring.is_done for colouring in colourings):
            self._plain.append((len(self._blocks), colourings))
        self._blocks.append([html])


class _Tail:
    """HTML that is not sealed.

    Attributes:
        html: without the closing tags at its end.
        depth: how many these are.
        is_code: whether it ends in a code block.
    """

    def __init__(self, html: str) -> None:
        closing = _CLOSING_TAGS.search(html)
        self.html = html[: closing.start()] if closing else html
        self.depth = closing[0].count("<") if closing else 0
        self.is_code = closing is not None and closing[0].startswith("</code>")


class _OpenContainer:
    """A block that is sealed in parts.

    Attributes:
        opening: HTML before its children.
        closing: the closing tags after them.
        rows: whether the children are table rows.
        parts: HTML of the sealed children.
        code: the text, where it is a code block.
    """

    def __init__(self, opening: str, closing: str, *, rows: bool) -> None:
        self.opening = opening
        self.closing = closing
        self.rows = rows
        self.parts: list[str] = []
        self.code: list[str] = []

    @property
    def depth(self) -> int:
        return self.closing.count("<")

    @property
    def is_text(self) -> bool:
        return self.closing.startswith("</p>")

    def html(self) -> str:
        code = _escaped("".join(self.code))
        return "".join([self.opening, *self.parts, code, self.closing])

    def state(self) -> list[Any]:
        """How a view that begins here opens it: depth, HTML of what is sealed, code."""
        html = "".join([self.opening, *self.parts])
        return [self.depth, html, "".join(self.code)]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _difference(old: str, new: str) -> tuple[int, str]:
    """How much of `old` to keep, in UTF-16 units, and what to put behind it."""
    if new.startswith(old):
        kept = len(old)
    else:
        kept, end = 0, min(len(old), len(new))
        while kept < end:
            middle = (kept + end + 1) // 2
            if old[kept:middle] == new[kept:middle]:
                kept = middle
            else:
                end = middle - 1
    return _length(new[:kept]), new[kept:]
