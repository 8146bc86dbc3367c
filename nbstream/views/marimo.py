"""The view in marimo, whose cells are no kernel's: HTML in the output of the cell.

marimo shows what a cell's own thread, or a `marimo.Thread` that it started, gives to
`marimo.output` (https://docs.marimo.io/api/outputs/). So a thread of that kind does the showing.
It is never imported: where it runs, it is there.
"""

from __future__ import annotations

import logging
import queue
import sys

from ..render.marimo_html import marimo_html
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..response import Response

__all__ = ["MarimoView"]

log = logging.getLogger("nbstream")

_LARGE = 4_000  # characters; from there on an answer is sent again only when it ...
_GROWTH = 1.25  # ... has grown by a quarter: all of it goes to the page each time


class MarimoView:
    """Shows an answer in the running cell's output, below what stands there.

    Args:
        style: how answers look.
    """

    interval = 0.25

    def __init__(self, style: RenderStyle = DEFAULT_STYLE) -> None:
        self._style = style
        self._shown: tuple[int, str] = (0, "")
        self._frames: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Here, on the cell's own thread: it takes the cell from the thread that makes it.
        self._thread = sys.modules["marimo"].Thread(target=self._show_all, daemon=True)

    def open(self, response: Response) -> None:  # noqa: ARG002  # every view gets it
        self._thread.start()

    def update(self, response: Response) -> None:
        size, notice = sum(turn.size for turn in response.rounds), response.notice
        then, said = self._shown
        has_grown = size != then and size >= then * (_GROWTH if size > _LARGE else 1)
        if has_grown or notice != said:
            self._shown = size, notice
            self._frames.put(marimo_html(response, self._style))

    def close(self, response: Response) -> None:
        if not self._thread.ident:  # it was never opened, or that failed
            return
        try:
            self._frames.put(marimo_html(response, self._style))
        finally:
            self._frames.put(None)
            self._thread.join()

    def _show_all(self) -> None:
        """On a thread of marimo's: show each frame in the place of the one before."""
        output, as_html = sys.modules["marimo"].output, sys.modules["marimo"].Html
        place: int | None = None
        while (frame := self._frames.get()) is not None:
            try:
                if place is None:
                    place = _output_count()
                    output.append(as_html(frame))
                else:
                    output.replace_at_index(as_html(frame), place)
            except Exception:
                log.exception("an answer could not be shown in marimo")


def _output_count() -> int:
    """How many outputs the running cell has; marimo's public functions do not tell."""
    from importlib import import_module

    context = import_module("marimo._runtime.context").get_context().execution_context
    return len(context.output)
