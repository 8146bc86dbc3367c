"""The live view in notebooks: traits and messages, nothing else.

Each frame goes to the page as one message, numbered: a custom message with the operations
that changed the page, or, each time the answer has grown by half, the `snapshot` trait with
the whole state as well. Messages can be lost, and pages come late; the snapshot brings any
page up to date (`static/store.js`).
"""

from __future__ import annotations

import json
import logging
import time
import zlib
from typing import Any

import anywidget
import traitlets
from IPython.display import clear_output, display

from ..render.saved import bundle
from ..render.summary import mark, usage_line, usage_rows
from ..response import Response
from .ending import leaves_nothing
from .outline import Operation, Outline
from .static import module, stylesheet

__all__ = ["AnswerWidget", "WidgetView"]

_GROWTH = 1.5  # a snapshot each time: all snapshots together are at most three of the last
_FIRST_SNAPSHOT = 200  # characters
_LEVEL = 6  # of zlib
# While the page loads the widget's code it hears the trait but no message; an answer that
# begins and then stalls would stay hidden.
_LOADING = 3.0  # seconds
_LOADING_SIZE = 2_000  # characters

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
        image_hosts: the hosts whose images may be shown as images.
    """

    def __init__(self, *, owns_cell: bool, image_hosts: frozenset[str] = frozenset()) -> None:
        self._owns_cell = owns_cell
        self._image_hosts = image_hosts
        self._outline = Outline(image_hosts)
        self._seq = 0
        self._snapshot_at = _FIRST_SNAPSHOT
        self._is_snapshot_wanted = False
        self._has_failed = False

    def open(self, response: Response) -> None:  # noqa: ARG002  # every view gets it
        self._opened = time.monotonic()
        self._widget = AnswerWidget(snapshot=self._packed([]))
        self._widget.on_msg(self._asked)
        self._handle = display(self._widget, display_id=True)

    def update(self, response: Response) -> None:
        if self._has_failed:
            return
        try:
            operations = self._outline.advance(response)
            if operations or self._is_snapshot_wanted:
                self._send(operations)
        except Exception:
            # The answer is still saved, and the widget still removed, at the end.
            self._has_failed = True
            log.exception("the live view failed; the answer is shown when it has ended")

    def close(self, response: Response) -> None:
        try:
            self._end(response)
            if leaves_nothing(response, owns_cell=self._owns_cell):
                clear_output()
            else:
                self._handle.update(bundle(response, image_hosts=self._image_hosts), raw=True)
        finally:
            # A model that is left open would be saved with the notebook.
            self._widget.layout.close()
            self._widget.close()

    def _end(self, response: Response) -> None:
        self.update(response)
        ending = {
            "mark": mark(response) or "",
            "usage": usage_line(response),
            "rows": usage_rows(response),
        }
        say = ending["mark"] or "The answer is complete."
        self._seq += 1
        self._widget.send({"seq": self._seq, "ops": [["end", ending]], "say": say})

    def _send(self, operations: list[Operation]) -> None:
        self._seq += 1
        size = self._outline.size
        loads = time.monotonic() - self._opened < _LOADING and size < _LOADING_SIZE
        if loads or size >= self._snapshot_at or self._is_snapshot_wanted:
            self._is_snapshot_wanted = False
            self._snapshot_at = int(size * _GROWTH) + 1
            self._widget.snapshot = self._packed(operations)
        else:
            self._widget.send({"seq": self._seq, "ops": operations})

    def _packed(self, operations: list[Operation]) -> bytes:
        """The state, and the operations that led to it for a page that missed nothing."""
        seconds = round(time.monotonic() - self._opened, 1)
        state = {**self._outline.state(), "seconds": seconds, "end": None}
        data = {"seq": self._seq, "state": state, "ops": operations}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        return zlib.compress(text, _LEVEL)

    def _asked(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """The page misses frames, and the kernel is free to hear it."""
        if content == {"want": "snapshot"}:
            self._is_snapshot_wanted = True
