"""Runs functions on the thread that waits for an answer.

Objects of a notebook belong to its main thread: a figure, a database connection, a
progress bar. While a cell blocks, that thread has nothing else to do.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

from ..interrupts import Interrupts
from ..io_thread import Job

__all__ = ["Foreground", "TimeLimit", "limited"]

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
    except BaseException as error:  # noqa: BLE001  # sys.exit() in a tool is an error of the tool
        future.set_exception(error)
    else:
        future.set_result(value)


def limited(function: Callable[[], Any], seconds: float | None) -> Any:
    """Call `function`; where the system can, stop it after so many seconds.

    Raises:
        TimeLimit: it was stopped.
    """
    can_stop = hasattr(signal, "setitimer") and _is_main_thread()
    with _alarm(seconds) if can_stop and seconds is not None else contextlib.nullcontext():
        return function()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise TimeLimit in this thread after so many seconds, in the middle of a sleep too."""

    def expire(*_: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, expire)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
