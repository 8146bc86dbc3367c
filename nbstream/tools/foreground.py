"""Runs functions on the thread that waits for an answer.

Objects of a notebook belong to its main thread: a figure, a database connection, a
progress bar. While a cell blocks, that thread has nothing else to do.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from types import FrameType
from typing import Any

from ..interrupts import Interrupts
from ..io_thread import Job

__all__ = ["Foreground", "TimeLimit", "is_of_another_timer", "limited"]

_OF_ANOTHER = "nbstream_of_another_timer"  # what marks such an exception
_AT_ONCE = 1e-6  # seconds; 0 would stop a timer
_POLL = 0.2  # seconds; a wait with a timeout can be interrupted on Windows too


class TimeLimit(BaseException):
    """A function has run for as long as it may. No `except Exception` of its own stops it."""


class Foreground:
    """A queue of functions, which `serve` runs on the thread that calls it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Run `function` on the serving thread, after those that were submitted before."""
        future: Future[Any] = Future()
        self._queue.put((future, function))
        return future

    def serve(self, job: Job, held: Interrupts) -> None:
        """Run what is submitted until `job` has ended; an interrupt breaks into that only."""
        job.future.add_done_callback(lambda _: self._queue.put(None))
        while not job.future.done():
            with contextlib.suppress(queue.Empty):
                item = self._queue.get(timeout=_POLL)
                if item is not None:
                    _run(*item, held)


def _run(future: Future[Any], function: Callable[[], Any], held: Interrupts) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        with held.breaking_in():
            value = function()
    except KeyboardInterrupt:
        future.set_exception(CancelledError())  # who waits for it is stopped as well
        raise
    except BaseException as error:
        if is_of_another_timer(error):
            future.set_exception(CancelledError())
            raise
        future.set_exception(error)  # sys.exit() in a tool is an error of the tool
    else:
        future.set_result(value)


def limited(function: Callable[[], Any], seconds: float | None) -> Any:
    """Call `function`; where the system can, stop it after so many seconds.

    A timer that runs already, the user's or that of a limit around this one, goes on: its
    handler is called when it is due.

    Raises:
        TimeLimit: it was stopped.
        BaseException: the other timer's handler raised it; see `is_of_another_timer`.
    """
    if seconds is None or not _can_stop():
        return function()
    alarm = _Alarm(seconds)
    try:
        with alarm:
            return function()
    finally:
        alarm.limit.__dict__.pop(_OF_ANOTHER, None)  # it was, for a limit within this one
        if alarm.outer is not None:  # whatever the function made of it
            raise alarm.outer


def is_of_another_timer(error: BaseException) -> bool:
    """Whether a timer has broken a function off that is not its own limit: no result of it."""
    return hasattr(error, _OF_ANOTHER)


def _can_stop() -> bool:
    is_main = threading.current_thread() is threading.main_thread()
    # A handler that Python did not set could not be put back.
    return is_main and hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is not None


class _Alarm:
    """Raises TimeLimit in this thread after so many seconds, in the middle of a sleep too.

    The system has one such timer. Inside the block it stands for two: for this limit, and for
    the one that was set before, which afterwards is there again as if it had never been taken.

    Attributes:
        limit: what it raises.
        outer: what the other timer's handler raised, or None.
    """

    def __init__(self, seconds: float) -> None:
        self.limit = TimeLimit()
        self.outer: BaseException | None = None
        self._due: float | None = time.monotonic() + seconds
        self._before: Any = None  # the handler that was set
        self._outer_due: float | None = None
        self._interval = 0.0

    def __enter__(self) -> None:
        # Stopped first: what is due meanwhile is for the handler that is still there.
        left, self._interval = signal.setitimer(signal.ITIMER_REAL, 0)
        self._outer_due = time.monotonic() + left if left else None
        self._before = signal.signal(signal.SIGALRM, self._ring)
        self._arm()

    def __exit__(self, *_: object) -> None:
        self._due = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        if self._outer_due is not None:
            signal.setitimer(signal.ITIMER_REAL, _seconds_to(self._outer_due), self._interval)

    def _arm(self) -> None:
        """Ring when the next of both is due; a handler that is none of Python's can wait."""
        outer = self._outer_due if callable(self._before) else None
        dues = [due for due in (self._due, outer) if due is not None]
        if dues:
            signal.setitimer(signal.ITIMER_REAL, _seconds_to(min(dues)))

    def _ring(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._outer_due is not None and self._outer_due <= now and callable(self._before):
            self._outer_due = _next(self._outer_due, self._interval, now)
            self._arm()
            try:
                self._before(number, frame)
            except BaseException as error:
                setattr(error, _OF_ANOTHER, True)
                self.outer = error
                raise
        if self._due is not None and self._due <= now:
            self._due = None
            self._arm()
            raise self.limit
        self._arm()


def _next(due: float, interval: float, now: float) -> float | None:
    """When a timer is due after it was; None: never again."""
    return due + interval * (1 + (now - due) // interval) if interval else None


def _seconds_to(due: float) -> float:
    return max(due - time.monotonic(), _AT_ONCE)
