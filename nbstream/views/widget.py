"""The live view in notebooks: traits and messages, nothing else."""

from __future__ import annotations

import logging
import time
import uuid
from functools import partial
from typing import Any

import anywidget
import traitlets
from IPython.display import DisplayHandle, clear_output, display

from ..approval import Approval
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..render.summary import mark, usage_line, usage_rows
from ..response import Response
from .channel import Channel, FrameWidget
from .ending import leave, leaves_nothing
from .hooks import CellHooks
from .outline import Outline
from .static import module, stylesheet

__all__ = ["AnswerWidget", "WidgetView", "decide", "ending", "metadata_of", "view_of"]

log = logging.getLogger("nbstream")

_UNFINISHED = "⚠ The answer is shown when it has ended; afterwards %chat last shows it."


class AnswerWidget(FrameWidget):
    """One running answer in the page, which finds its output by its `name`."""

    name = traitlets.Unicode().tag(sync=True)
    _esm = module("widget")
    _css = stylesheet("plain", "answer", "code")


class WidgetView:
    """Shows an answer live, and leaves static output in its place.

    Args:
        owns_cell: whether nothing else is shown in the cell.
        blocking: whether the cell waits for the answer, so that only an interrupt stops it.
        style: how answers look.
    """

    def __init__(
        self,
        *,
        owns_cell: bool,
        blocking: bool = False,
        style: RenderStyle = DEFAULT_STYLE,
    ) -> None:
        self._owns_cell = owns_cell
        self._blocking = blocking
        self._style = style
        self._hooks = CellHooks()
        self._outline = Outline(style)
        self._has_failed = False
        self._has_ended = False
        self._channel: Channel | None = None  # to the page
        self._handle: DisplayHandle | None = None  # of the output

    def open(self, response: Response) -> None:
        self._outline.advance(response)  # what the first snapshot shows: whose answer this is
        source = _Answer(self._outline, blocking=self._blocking)
        name = uuid.uuid4().hex
        make = partial(AnswerWidget, name=name)
        with self._hooks:
            channel = Channel(make, source, lambda said, _: decide(response, said))
            try:
                self._handle = display(
                    view_of(channel.widget, _UNFINISHED),
                    raw=True,
                    metadata=metadata_of(channel.widget, answer=name),
                    display_id=True,
                )
            except BaseException:
                channel.close()
                raise
        self._channel = channel

    def update(self, response: Response) -> None:
        if self._channel is None or self._has_failed:
            return
        try:
            self._channel.send(self._outline.advance(response))
        except Exception:
            # The answer is still saved, and the widget still removed, at the end.
            self._has_failed = True
            log.exception("the live view failed; the answer is shown when it has ended")

    def close(self, response: Response) -> None:
        try:
            if leaves_nothing(response, owns_cell=self._owns_cell):
                self._end(response)
                with self._hooks:
                    clear_output()
            else:
                leave(partial(self._replace, response), response, style=self._style)
        finally:
            if self._channel is not None:
                self._channel.close()

    def _replace(self, response: Response, data: dict[str, Any]) -> None:
        """Put static output in the place of the live view."""
        self._end(response)
        with self._hooks:
            if self._handle is None:
                self._handle = display(data, raw=True, display_id=True)
            else:
                self._handle.update(data, raw=True)

    def _end(self, response: Response) -> None:
        """Bring the live view to its end; what fails in it is in the static output all the same."""
        if self._channel is None or self._has_ended:
            return
        self._has_ended = True
        self._channel.take_over()
        try:
            if response.status != "cancelled":  # who stops it waits
                self.update(response)
            say = mark(response) or "The answer is complete."
            self._channel.send([["end", ending(response)]], say=say)
        except Exception:
            log.exception("the live view failed at its end")


def view_of(widget: anywidget.AnyWidget, text: str) -> dict[str, Any]:
    """What shows the widget, for `display`: ipywidgets 7 would lose the display_id.

    Args:
        widget: is shown.
        text: stands in its place where there are no widgets, or no more this one.
    """
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {
        "application/vnd.jupyter.widget-view+json": view,
        "text/plain": text,
    }


def metadata_of(widget: anywidget.AnyWidget, **name: str) -> dict[str, Any]:
    """By what a page knows the output of its widget (static/unsaved.js, static/shared.js)."""
    return {"nbstream": {**name, "model": widget.model_id}}


def ending(response: Response) -> dict[str, Any]:
    """How an answer ended, for the page."""
    return {
        "mark": mark(response) or "",
        "usage": usage_line(response),
        "rows": usage_rows(response),
    }


def decide(response: Response, said: Any) -> None:
    """Do what the reader decides about an answer that runs: stop it, run or reject its calls."""
    match said:
        case {"stop": True}:
            response.cancel()
        case {"run": call_id, "arguments": str(arguments)}:
            for approval in _waiting(response, call_id):
                approval.run(arguments)
        case {"reject": call_id, "reason": str(reason)}:
            for approval in _waiting(response, call_id):
                approval.reject(reason)


def _waiting(response: Response, call_id: object) -> list[Approval]:
    return [each for each in response.approvals if each.call.id == call_id]


class _Answer:
    """One answer, as a channel shows it."""

    def __init__(self, outline: Outline, *, blocking: bool) -> None:
        self._outline = outline
        self._blocking = blocking
        self._opened = time.monotonic()

    @property
    def size(self) -> int:
        return self._outline.size

    def state(self) -> dict[str, Any]:
        seconds = round(time.monotonic() - self._opened, 1)
        more = {"seconds": seconds, "blocking": self._blocking, "end": None}
        return {**self._outline.state(), **more}
