"""Numbered frames to the page, some of them as snapshots of the whole.

Each frame goes to the page as one message: a custom message with the operations that
change the page, or now and then the `snapshot` trait, which holds the whole state as well.
Messages can be lost, and a page comes late; the next snapshot brings any page up to date
(`static/store.js`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import anywidget
import traitlets

from .outline import Operation

__all__ = ["Channel", "FrameWidget", "Source"]

_GROWTH = 1.5  # a snapshot each time: all snapshots together are at most three of the last
_FIRST = 200  # characters
# While the page loads the widget's code it hears the trait and no message. So it is never
# far behind at first, and not either when the answer stalls after a few words.
_LOADING = 3.0  # seconds in which snapshots come at least every ...
_REFRESH = 0.4  # ... seconds, or more where there are pictures: of snapshots at most ...
_PER_SECOND = 1_000_000  # ... characters
_STALLING = 30.0  # seconds in which a frame that none follows is followed by a snapshot
_LEVEL = 6  # of zlib


class FrameWidget(anywidget.AnyWidget):
    """What a channel sends through.

    `snapshot` is `{seq, state, ops}` as deflated JSON. Deflated, all snapshots of an
    answer are together about as long as the answer.
    """

    snapshot = traitlets.Bytes().tag(sync=True)

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message; where it holds half characters, which no page can get, without them."""
        try:
            super().send(content, buffers)
        except UnicodeEncodeError:
            super().send(json.loads(_encoded(content)), buffers)


class Source(Protocol):
    """What a channel shows.

    Attributes:
        size: characters shown so far, those of pictures among them.
    """

    @property
    def size(self) -> int: ...

    def state(self) -> dict[str, Any]:
        """All of it as it stands, as JSON data."""


class Channel:
    """Sends what changes in `source` to the page. Used on one thread, but for what it hears.

    Beside who uses it, timers of that thread's loop send snapshots, until `take_over`.

    Args:
        make: makes the widget, with its first snapshot.
        source: what is shown.
        hear: is told what the page says, with its buffers, on the kernel's thread.
    """

    def __init__(
        self,
        make: Callable[..., FrameWidget],
        source: Source,
        hear: Callable[[Any, list[Any]], None],
    ) -> None:
        self._source = source
        self._hear = hear
        self._opened = self._snapshot_time = time.monotonic()
        self._snapshot_at = _FIRST  # characters
        self._is_wanted = False
        self._seq = 0
        self._lock = threading.Lock()  # one snapshot of a timer, or `take_over`
        self._silence: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        with contextlib.suppress(RuntimeError):  # no loop: nobody could call back
            self._loop = asyncio.get_running_loop()
        self.widget = make(snapshot=self._packed(None))
        self.widget.on_msg(self._on_message)

    def send(self, operations: list[Operation], **more: Any) -> None:
        """Send a frame, if there is anything to send.

        Args:
            operations: what changes.
            more: what goes along with them, and is in no snapshot.
        """
        if not (operations or self._is_wanted):
            return
        self._seq += 1
        if self._is_snapshot_due() and not more:
            self._send_snapshot(operations)
        else:
            self.widget.send({"seq": self._seq, "ops": operations, **more})
            self._await_silence()

    def take_over(self) -> None:
        """From now on it is used on the calling thread alone: no timer sends anything more."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._silence is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._silence.cancel)

    def close(self) -> None:
        """Remove the widget: a model that is left open would be saved with the notebook."""
        self.take_over()
        try:
            self.widget.layout.close()
        finally:
            self.widget.close()

    def _is_snapshot_due(self) -> bool:
        now = time.monotonic()
        is_loading = now - self._opened < _LOADING
        is_behind = is_loading and now - self._snapshot_time >= self._pause
        return is_behind or self._is_wanted or self._source.size >= self._snapshot_at

    def _send_snapshot(self, operations: list[Operation] | None) -> None:
        self._is_wanted = False
        self._snapshot_time = time.monotonic()
        self._snapshot_at = int(self._source.size * _GROWTH) + 1
        self.widget.snapshot = self._packed(operations)

    def _packed(self, operations: list[Operation] | None) -> bytes:
        """The state, and of a new frame the operations, for a page that missed nothing."""
        data = {"seq": self._seq, "state": self._source.state(), "ops": operations}
        return zlib.compress(_encoded(data), _LEVEL)

    def _await_silence(self) -> None:
        if self._loop is None:
            return
        if self._silence:
            self._silence.cancel()
        if time.monotonic() - self._opened < _STALLING:
            self._silence = self._loop.call_later(self._pause, self._refresh)

    @property
    def _pause(self) -> float:
        """Seconds between snapshots that only the time calls for."""
        return max(_REFRESH, self._source.size / _PER_SECOND)

    def _on_message(self, _widget: Any, content: Any, buffers: list[Any]) -> None:
        if content == {"want": "snapshot"}:
            self._is_wanted = True  # several pages may ask at once
            loop = self._loop
            if loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._answer_want)
        else:
            self._hear(content, buffers)

    def _answer_want(self) -> None:
        if self._is_wanted:
            self._refresh()

    def _refresh(self) -> None:
        """Send a snapshot, on the loop."""
        with self._lock:
            if self._loop is not None:
                self._send_snapshot(None)


def _encoded(data: Any) -> bytes:
    """`data` as JSON; half characters (lone surrogates) become question marks."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")
