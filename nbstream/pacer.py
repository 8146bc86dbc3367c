"""When a view is updated: at once at first, then as often as its cost allows."""

from __future__ import annotations

import asyncio
import logging
import time

from .response import Response
from .views.protocol import NullView, View

__all__ = ["Pacer"]

_SHORTEST = 1 / 20  # seconds between frames: smooth to the eye, and light for the page
_LONGEST = 2.0
_SHARE = 10  # a frame may take a tenth of the time

log = logging.getLogger("nbstream")


class Pacer:
    """Coalesces what comes into frames, and keeps a failing view from failing the answer.

    The interval between frames is ten times the last frame's cost, at least 1/20 s (or
    what the view wants) and at most 2 s. Frames are never queued: one shows all that came
    since the one before.
    """

    def __init__(self, view: View, response: Response) -> None:
        self._view = view
        self._response = response
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._is_open = False

    def open(self) -> None:
        self._is_open = True
        self._guarded("open")

    def notify(self) -> None:
        """Something came; a frame follows now, or when it is due."""
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._due - loop.time()
        if wait <= 0:
            self._frame()
        else:
            self._timer = loop.call_later(wait, self._frame)

    async def rest(self) -> None:
        """Wait until a frame is due again: what comes meanwhile can be read at once."""
        wait = self._due - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(min(wait, _SHORTEST))

    def _frame(self) -> None:
        self._timer = None
        started = time.perf_counter()
        self._guarded("update")
        cost = time.perf_counter() - started
        wanted = getattr(self._view, "interval", 0.0)
        interval = min(_LONGEST, max(_SHORTEST, wanted, _SHARE * cost))
        self._due = asyncio.get_running_loop().time() + interval

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_open:
            self._guarded("close")

    def _guarded(self, method: str) -> None:
        try:
            getattr(self._view, method)(self._response)
        except Exception:
            log.exception("the view failed in %s; the answer goes on without it", method)
            self._view = NullView()
