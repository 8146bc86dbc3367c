"""When views are updated: at once at first, then as often as their cost allows.

And that each is closed in the end, whatever failed in it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from .io_thread import in_thread
from .response import Response
from .views.protocol import View

__all__ = ["Pacer"]

_SHORTEST = 1 / 12  # seconds between frames: text flows to the eye, and the page stays light
_SKIMMED = 1 / 8  # the same where text comes faster than anybody reads
_READABLE = 500  # characters a second
_LONGEST = 2.0
_LONGEST_REST = 0.25  # seconds in which nothing is read
_LULL = 0.01  # seconds without a byte, after which there is no rest
_SHARE = 10  # the frames of all views may take a tenth of the time

log = logging.getLogger("nbstream")


class Pacer:
    """Coalesces what comes into frames, and keeps a failing view from failing anything else.

    A view that has failed gets no more frames. It is closed as the others are: what it leaves
    is then all that is saved.

    The interval between frames is ten times the last frame's cost, and that of the other
    answers that are shown, at least 1/12 s (1/8 s where text comes faster than anybody
    reads, or what a view wants) and at most 2 s. Frames
    are never queued: one shows all that came since the one before. Between the frames of
    two answers there is as long a pause as the first one took, in which other threads run.
    """

    _open: ClassVar[set[Pacer]] = set()
    _free_at: ClassVar[float] = 0.0  # when the next answer may have its turn

    def __init__(self, views: Sequence[View], response: Response) -> None:
        self._views = list(views)
        self._live = list(views)  # those that have not failed
        self._response = response
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._cost = 0.0  # seconds, of the last frame
        self._shown = (0.0, 0)  # when it was, and how many characters it showed
        self._is_open = False

    async def open(self) -> None:
        """Open the views, when it is their turn."""
        while (wait := Pacer._free_at - _now()) > 0:  # noqa: ASYNC110  # a time, no event
            await asyncio.sleep(wait)
        self._is_open = True
        self._open.add(self)
        self._turn("open")

    def add(self, view: View) -> None:
        """Show what runs in one view more."""
        self._views.append(view)
        self._live.append(view)
        if self._is_open:
            self._call("open", [view])

    def notify(self) -> None:
        """Something came; a frame follows now, or when it is due."""
        if self._timer is None:
            self._frame()

    def _frame(self) -> None:
        """Show a frame now, or come back when it is due."""
        wait = max(self._due, Pacer._free_at) - _now()
        if wait > 0:
            self._timer = asyncio.get_running_loop().call_later(wait, self._frame)
            return
        self._timer = None
        self._turn("update")
        wanted = max((getattr(view, "interval", 0.0) for view in self._live), default=0.0)
        all_costs = sum(pacer._cost for pacer in self._open)  # noqa: SLF001  # of this class
        shortest = self._shortest()
        self._due = _now() + min(_LONGEST, max(shortest, wanted, _SHARE * all_costs))

    def _shortest(self) -> float:
        """Seconds until the next frame, by the speed at which text came before this one."""
        then, before = self._shown
        now, size = _now(), sum(turn.size for turn in self._response.rounds)
        self._shown = now, size
        return _SKIMMED if size - before > _READABLE * (now - then) else _SHORTEST

    def _turn(self, method: str) -> None:
        started = time.perf_counter()
        self._call(method, self._live)
        self._cost = time.perf_counter() - started
        Pacer._free_at = _now() + self._cost

    async def rest(self, unread: Callable[[], int]) -> None:
        """Wait until a frame is due again, so that all that comes meanwhile is read at once.

        No longer than something comes: what has paused may have ended, and is waited for.

        Args:
            unread: counts the bytes that have come and were not read yet.
        """
        due, before = min(self._due, _now() + _LONGEST_REST), unread()
        while (wait := due - _now()) > 0:
            await asyncio.sleep(min(wait, _LULL))
            count = unread()
            if count == before:
                return
            before = count

    async def close(self) -> None:
        """Close the views: on a thread, because what a long answer leaves takes long to write."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._open.discard(self)
        if self._is_open:
            await in_thread(self._call, "close", self._views)
        self._views, self._live = [], []  # who keeps the run does not keep what showed it

    def _call(self, method: str, views: Sequence[View]) -> None:
        for view in list(views):
            try:
                getattr(view, method)(self._response)
            except Exception:
                log.exception("a view failed in %s; the answer goes on without it", method)
                if view in self._live:
                    self._live.remove(view)


def _now() -> float:
    return asyncio.get_running_loop().time()
