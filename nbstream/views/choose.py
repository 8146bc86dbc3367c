"""Which view an answer gets."""

from __future__ import annotations

import logging
import sys

from ..errors import UsageError
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..response import Response
from .frontend import (
    has_rich_output,
    has_widgets,
    is_attended,
    is_captured,
    is_main_thread,
    only_adds_outputs,
)
from .protocol import NullView, View
from .server import tell_once
from .terminal import TerminalView

__all__ = ["VIEWS", "choose_view", "view_of_ended"]

VIEWS = ("auto", "widget", "display", "text", "none")

log = logging.getLogger("nbstream")


def choose_view(
    name: str,
    *,
    owns_cell: bool,
    blocking: bool = False,
    raises: bool = False,
    style: RenderStyle = DEFAULT_STYLE,
) -> View:
    """The view called `name`; `auto` is the best that the front end is known to have.

    Args:
        name: one of `VIEWS`.
        owns_cell: whether nothing else is shown in the cell, so that its output may be
            replaced.
        blocking: whether the caller waits for the answer.
        raises: whether who asks raises what goes wrong, so that a terminal need not tell it too.
        style: how answers look.

    Raises:
        UsageError: there is no view of this name.
    """
    if name == "auto" and _in_marimo():
        from .marimo import MarimoView

        return MarimoView(style)
    if name not in VIEWS:
        raise UsageError(f"no view {name!r}: use one of {', '.join(VIEWS)}")
    if name == "none":
        return NullView()
    if name == "auto":
        tell_once()
    wanted = _automatic() if name == "auto" else name
    if wanted == "text":
        return TerminalView(tells_error=not raises, style=style)
    return _rich_view(wanted, owns_cell=owns_cell, blocking=blocking, style=style)


def view_of_ended(style: RenderStyle = DEFAULT_STYLE) -> View:
    """What shows an answer that has ended, beside whatever else is shown in the cell."""
    name = _automatic()
    if name == "text":
        return TerminalView(style=style)
    name = "display" if name == "widget" else name
    return _rich_view(name, owns_cell=False, style=style, blocking=True)


def _automatic() -> str:
    """The best that the front end is known to have."""
    if not has_rich_output():
        return "text"
    if is_captured():
        return "append"
    if has_widgets():
        # Who is not there sees no widget, and the file would keep it.
        return "widget" if is_attended() else "display"
    return "append" if only_adds_outputs() else "display"


def _rich_view(name: str, *, owns_cell: bool, style: RenderStyle, blocking: bool = False) -> View:
    if name == "append":
        from .append import AppendView

        return AppendView(owns_cell=owns_cell, style=style, blocking=blocking)
    from .display import DisplayView

    display = DisplayView(owns_cell=owns_cell, style=style)
    if name == "display":
        return display
    try:
        from .widget import WidgetView
    except Exception:  # whatever is wrong with a widget package, the answer is shown
        log.debug("no widgets in this kernel", exc_info=True)
        return display
    needs_interrupt = blocking and is_main_thread()
    widget = WidgetView(owns_cell=owns_cell, blocking=needs_interrupt, style=style)
    return _FirstThatOpens(widget, display)


def _in_marimo() -> bool:
    """Whether this is a notebook of marimo: it has cells, and neither IPython nor a kernel."""
    marimo = sys.modules.get("marimo")
    return marimo is not None and bool(marimo.running_in_notebook())


class _FirstThatOpens:
    """Shows the answer with `first`, or with `second` where `first` cannot be opened."""

    def __init__(self, first: View, second: View) -> None:
        self._view = first
        self._second = second

    def open(self, response: Response) -> None:
        try:
            self._view.open(response)
        except Exception:  # whatever is wrong with a widget, the answer is shown
            log.debug("the widget could not be made", exc_info=True)
            self._view = self._second
            self._view.open(response)

    @property
    def interval(self) -> float:
        interval: float = getattr(self._view, "interval", 0.0)
        return interval

    def update(self, response: Response) -> None:
        self._view.update(response)

    def close(self, response: Response) -> None:
        self._view.close(response)
