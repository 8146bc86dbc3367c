"""Which view an answer gets."""

from __future__ import annotations

import logging
import os
import sys

from ..errors import UsageError
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..response import Response
from .protocol import View
from .terminal import TerminalView

__all__ = ["VIEWS", "choose_view", "has_rich_output", "has_widgets"]

VIEWS = ("auto", "widget", "display", "text")

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
        blocking: whether the cell waits for the answer.
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
    wanted = _automatic() if name == "auto" else name
    if wanted == "text":
        return TerminalView(tells_error=not raises)
    from .display import DisplayView

    display = DisplayView(owns_cell=owns_cell, style=style)
    if wanted == "display":
        return display
    try:
        from .widget import WidgetView
    except Exception:  # whatever is wrong with a widget package, the answer is shown
        log.debug("no widgets in this kernel", exc_info=True)
        return display
    widget = WidgetView(owns_cell=owns_cell, blocking=blocking, style=style)
    return _FirstThatOpens(widget, display)


def has_rich_output() -> bool:
    """Whether this is a kernel: its front end shows more than text."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def has_widgets() -> bool:
    """Whether the front end is known to show widgets."""
    return _automatic() == "widget"


def _automatic() -> str:
    """A kernel cannot see its front end; it can see who started it."""
    if not has_rich_output():
        return "text"
    # Jupyter Server names a session; VS Code's kernels inherit its variables, the shells
    # in its terminal do not; Colab has its package.
    shows_widgets = (
        "JPY_SESSION_NAME" in os.environ
        or "VSCODE_PID" in os.environ
        or "VSCODE_CWD" in os.environ
        or "google.colab" in sys.modules
    )
    return "widget" if shows_widgets else "display"


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
