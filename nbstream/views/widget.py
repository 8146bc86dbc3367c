"""The live view in notebooks: traits and messages, nothing else.

Each frame goes to the page as one numbered message: a custom message with the operations
that change the page, or now and then the `snapshot` trait, which holds the whole state as
well. Messages can be lost, and a page comes late; the next snapshot brings any page up to
date (`static/store.js`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import zlib
from typing import Any

import anywidget
import traitlets
from IPython.display import clear_output, display

from ..approval import Approval
from ..render.saved import bundle
from ..render.summary import mark, usage_line, usage_rows
from ..response import Response
from .ending import leaves_nothing
from .outline import Operation, Outline
from .static import module, stylesheet

__all__ = ["AnswerWidget", "WidgetView"]

_GROWTH = 1.5  # a snapshot each time: all snapshots together are at most three of the last
_FIRST = 200  # characters
# While the page loads the widget's code it hears the trait and no message. So it is never
# far behind at first, and not either when the answer stalls after a few words.
_LOADING = 3.0  # seconds in which snapshots come at least every ...
_REFRESH = 0.4  # ... seconds
_STALLING = 30.0  # seconds in which a frame that none follows is followed by a snapshot
_LEVEL = 6  # of zlib

log = logging.getLogger("nbstream")


class AnswerWidget(anywidget.AnyWidget):
    """One running answer in the page.

    `snapshot` is `{seq, state, ops}` as deflated JSON. Deflated, all snapshots of an
    answer are together about as long as the answer.
    """

    _esm = module("widget")
    _css = stylesheet("answer", "code")
    snapshot = traitlets.Bytes().tag(sync=True)


class WidgetView:
    """Shows an answer live, and leaves static output in its place.

    Args:
        owns_cell: whether nothing else is shown in the cell.
        blocking: whether the cell waits for the answer, so that only an interrupt stops it.
        image_hosts: the hosts whose images may be shown as images.
    """

    def __init__(
        self,
        *,
        owns_cell: bool,
        blocking: bool = False,
        image_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._owns_cell = owns_cell
        self._blocking = blocking
        self._image_hosts = image_hosts
        self._outline = Outline(image_hosts)
        self._has_failed = False

    def open(self, response: Response) -> None:
        self._outline.advance(response)  # what the first snapshot shows: whose answer this is
        self._channel = _Channel(self._outline, response, blocking=self._blocking)
        self._handle = display(_view_of(self._channel.widget), raw=True, display_id=True)

    def update(self, response: Response) -> None:
        if self._has_failed:
            return
        try:
            self._channel.send(self._outline.advance(response))
        except Exception:
            # The answer is still saved, and the widget still removed, at the end.
            self._has_failed = True
            log.exception("the live view failed; the answer is shown when it has ended")

    def close(self, response: Response) -> None:
        if response.status != "cancelled":  # who stops it waits; the static output has the rest
            self.update(response)
        try:
            self._channel.end(response)
            if leaves_nothing(response, owns_cell=self._owns_cell):
                clear_output()
            else:
                self._handle.update(bundle(response, image_hosts=self._image_hosts), raw=True)
        finally:
            self._channel.close()


def _view_of(widget: AnswerWidget) -> dict[str, Any]:
    """What shows the widget, for `display`: ipywidgets 7 would lose the display_id."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {
        "application/vnd.jupyter.widget-view+json": view,
        "text/plain": "the answer is shown when it has ended",  # where there are no widgets
    }


class _Channel:
    """Sends frames to the page, and decides which of them are snapshots."""

    def __init__(self, outline: Outline, response: Response, *, blocking: bool) -> None:
        self._outline = outline
        self._response = response
        self._blocking = blocking
        self._opened = self._snapshot_time = time.monotonic()
        self._snapshot_at = _FIRST  # characters
        self._is_wanted = False
        self._seq = 0
        self._silence: asyncio.TimerHandle | None = None
        self.widget = AnswerWidget(snapshot=self._packed(None))
        self.widget.on_msg(self._hear)

    def send(self, operations: list[Operation]) -> None:
        """Send a frame, if there is anything to send."""
        if not (operations or self._is_wanted):
            return
        self._seq += 1
        if self._is_snapshot_due():
            self._send_snapshot(operations)
        else:
            self.widget.send({"seq": self._seq, "ops": operations})
            self._await_silence()

    def end(self, response: Response) -> None:
        """Send the last frame: how the answer ended."""
        why = mark(response)
        ending = {"mark": why or "", "usage": usage_line(response), "rows": usage_rows(response)}
        say = why or "The answer is complete."
        self._seq += 1
        self.widget.send({"seq": self._seq, "ops": [["end", ending]], "say": say})

    def close(self) -> None:
        """Remove the widget: a model that is left open would be saved with the notebook."""
        if self._silence:
            self._silence.cancel()
        self.widget.layout.close()
        self.widget.close()

    def _is_snapshot_due(self) -> bool:
        now = time.monotonic()
        is_loading = now - self._opened < _LOADING
        is_behind = is_loading and now - self._snapshot_time >= _REFRESH
        return is_behind or self._is_wanted or self._outline.size >= self._snapshot_at

    def _send_snapshot(self, operations: list[Operation] | None) -> None:
        self._is_wanted = False
        self._snapshot_time = time.monotonic()
        self._snapshot_at = int(self._outline.size * _GROWTH) + 1
        self.widget.snapshot = self._packed(operations)

    def _packed(self, operations: list[Operation] | None) -> bytes:
        """The state, and of a new frame the operations, for a page that missed nothing."""
        seconds = round(time.monotonic() - self._opened, 1)
        more = {"seconds": seconds, "blocking": self._blocking, "end": None}
        state = {**self._outline.state(), **more}
        data = {"seq": self._seq, "state": state, "ops": operations}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        return zlib.compress(text, _LEVEL)

    def _await_silence(self) -> None:
        if self._silence:
            self._silence.cancel()
        if time.monotonic() - self._opened < _STALLING:
            with contextlib.suppress(RuntimeError):  # no loop: nobody could call back
                loop = asyncio.get_running_loop()
                self._silence = loop.call_later(_REFRESH, self._send_snapshot, None)

    def _hear(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """The kernel is free to hear the page: it misses frames, or the reader decides."""
        match content:
            case {"want": "snapshot"}:
                self._is_wanted = True
            case {"stop": True}:
                self._response.cancel()
            case {"run": call_id, "arguments": str(arguments)}:
                for approval in self._waiting(call_id):
                    approval.run(arguments)
            case {"refuse": call_id, "reason": str(reason)}:
                for approval in self._waiting(call_id):
                    approval.refuse(reason)

    def _waiting(self, call_id: object) -> list[Approval]:
        return [each for each in self._response.approvals if each.call.id == call_id]
