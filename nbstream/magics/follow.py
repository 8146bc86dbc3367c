"""Shows the rest of an answer that runs, in one cell more."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context

from ..driver import Run
from ..io_thread import in_thread, io_thread
from ..response import Response
from ..views.protocol import View

__all__ = ["follow"]


def follow(run: Run, view: View) -> None:
    """Show an answer from here on in the running cell; return when the view is open."""
    io_thread.submit(_show(run, _InThisCell(view))).wait()


async def _show(run: Run, view: View) -> None:
    """On the thread that reads the answer, which cannot end meanwhile."""
    response = run.response
    if not response.done:
        run.show(view)
        return
    view.open(response)
    await in_thread(view.close, response)


class _InThisCell:
    """A view whose outputs go to the cell that made it, and not to the one that asked."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._context = copy_context()

    @property
    def interval(self) -> float:
        interval: float = getattr(self._view, "interval", 0.0)
        return interval

    def open(self, response: Response) -> None:
        self._show(self._view.open, response)
        self.update(response)  # what came so far, and not only with the next piece

    def update(self, response: Response) -> None:
        self._show(self._view.update, response)

    def close(self, response: Response) -> None:
        self._show(self._view.close, response)

    def _show(self, method: Callable[[Response], None], response: Response) -> None:
        self._context.run(method, response)
