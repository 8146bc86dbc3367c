"""The live view where outputs can only be added: consoles, and `ipywidgets.Output`.

A console shows what is sent once and ignores every update of it, and what an `Output` has
captured is out of reach. So each part of an answer that is finalized is a new output, and the
last one carries the end: what is left, how it ended, and the record.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..render.extract import link_definitions
from ..render.saved import bundle, content_markdown, display_markdown
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..response import Response, Timing
from .capture import Capture
from .ending import leave, leaves_nothing
from .hooks import CellHooks
from .parts import Parts, Place, excerpt
from .terminal import TerminalView

__all__ = ["AppendView"]

log = logging.getLogger("nbstream")


class AppendView:
    """Shows an answer by `display` alone, with its text as `text/plain` for consoles.

    Args:
        owns_cell: whether nothing else is shown in the cell, so that an answer of which
            nothing came leaves no output.
        style: how answers look.

    Attributes:
        interval: seconds between outputs.
    """

    interval = 0.25

    def __init__(
        self, *, owns_cell: bool, style: RenderStyle = DEFAULT_STYLE, blocking: bool = False
    ) -> None:
        self._owns_cell = owns_cell
        self._style = style
        self._part_style = replace(style, is_part=True)
        self._hooks = CellHooks()
        self._capture = Capture(blocking=blocking)
        self._parts = Parts()
        self._links: list[str] = []  # of each round, what is known of its links so far
        self._done: list[_Done] = []

    def open(self, response: Response) -> None:
        """Nothing is shown before there is something to show."""

    def update(self, response: Response) -> None:
        if self._parts.follow(response):
            self._done.clear()  # the places are other ones now
        if not (self._capture.is_due(_size(response)) and self._parts.is_due(response)):
            return
        self._parts.looked_at(response)
        stable = self._parts.stable(response)
        if stable != self._parts.sealed:
            self._seal(response, stable)

    def close(self, response: Response) -> None:
        if not leaves_nothing(response, owns_cell=self._owns_cell):
            leave(partial(self._end, response), response, style=self._style)

    def _seal(self, response: Response, stable: list[Place]) -> None:
        """Show what stands before these places; it changes no more."""
        came = self._parts.next(response, stable)
        known = self._links + [""] * (len(came.rounds) - len(self._links))
        self._links = [
            links + link_definitions(str(turn.text))
            for links, turn in zip(known, came.rounds, strict=True)
        ]
        linked = self._parts.next(response, stable, self._links)
        markdown = content_markdown(linked, self._part_style)
        if markdown:
            self._show({"text/markdown": markdown, "text/plain": f"{_text(came)}\n"}, response)
            self._done.append(_Done(self._parts.sealed, stable, markdown))
        self._parts.sealed = stable

    def _end(self, response: Response, data: dict[str, Any]) -> None:
        """Show the rest as what is saved of the answer."""
        try:
            data = {**data, **self._rest(response)}
        except Exception:
            log.exception("an answer could not be parted; what was shown of it stands there twice")
        self._show(data, response)

    def _rest(self, response: Response) -> dict[str, Any]:
        links = [link_definitions(str(turn.text)) for turn in response.rounds]
        rest = bundle(self._parts.rest(response, links), self._part_style)
        late = [display_markdown(line, self._style) for line in self._late(response, links)]
        return {
            "text/markdown": "\n\n".join([*late, rest["text/markdown"]]),
            "text/plain": _text(self._parts.rest(response), is_end=True),
        }

    def _late(self, response: Response, links: Sequence[str]) -> list[str]:
        """The links that outputs which are done name, and that were defined after them."""
        late: dict[str, None] = {}
        for done in self._done if any(links) else ():
            part = excerpt(response, done.starts, done.ends, links)
            part.finish("complete", None, Timing())
            if content_markdown(part, self._part_style) != done.markdown:
                late |= dict.fromkeys(f"\\{line}" for each in links for line in each.splitlines())
        return list(late)

    def _show(self, data: dict[str, Any], response: Response) -> None:
        with self._hooks:
            self._capture.show(data, _size(response))


@dataclass(frozen=True, slots=True)
class _Done:
    """An output that is done: what of each round stands in it, and as which markdown."""

    starts: list[Place]
    ends: list[Place]
    markdown: str


def _size(response: Response) -> int:
    return sum(turn.size for turn in response.rounds)


def _text(part: Response, *, is_end: bool = False) -> str:
    """A part as a terminal would get it; with `is_end`, how it ended and what it took."""
    written = io.StringIO()
    view = TerminalView(written)
    view.open(part)
    view.update(part)
    if is_end:
        view.close(part)
    return written.getvalue().strip("\n")
