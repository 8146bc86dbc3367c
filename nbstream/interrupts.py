"""Ctrl-C and ■ while somebody waits for an answer: they stop it, and break into nothing else.

A KeyboardInterrupt is raised between any two steps of the main thread: also where a turn has
begun and nobody waits for it yet, or inside a lock of the standard library, which then is
held for ever. So while a turn runs, an interrupt is told to who can stop it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Interrupts", "interrupts"]

_PATIENCE = 2.0  # seconds after which one more interrupt ends the waiting


class Interrupts:
    """What an interrupt does."""

    def __init__(self) -> None:
        self._stop: Callable[[], None] | None = None
        self._first: float | None = None  # when the first one came
        self._break_in = False

    @property
    def is_pending(self) -> bool:
        """Whether there was one that nobody has been told of."""
        return self._first is not None and self._stop is None

    def stop_by(self, stop: Callable[[], None]) -> None:
        """Call `stop` at an interrupt; now, if there was one."""
        self._stop = stop
        if self._first is not None:
            stop()

    @contextmanager
    def breaking_in(self) -> Iterator[None]:
        """Inside the block, which is the user's code, an interrupt raises KeyboardInterrupt."""
        self._break_in = True
        try:
            yield
        finally:
            self._break_in = False

    def handle(self, *_: object) -> None:
        """There is an interrupt."""
        now = time.monotonic()
        if self._break_in:
            self._break_in = False  # what cleans up behind the user's code is ours again
            raise KeyboardInterrupt
        if self._first is None:
            self._first = now
        elif now - self._first > _PATIENCE:
            raise KeyboardInterrupt  # what should stop does not
        if self._stop is not None:
            self._stop()


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Hold interrupts of the main thread; behind the block one that is pending is raised."""
    held = Interrupts()
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if is_main else None
    if not callable(before):  # elsewhere none arrives, or it is ignored
        yield held
        return
    signal.signal(signal.SIGINT, held.handle)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, before)
    if held.is_pending:
        raise KeyboardInterrupt
