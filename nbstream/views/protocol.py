"""What every view does."""

from __future__ import annotations

from typing import Protocol

from ..response import Response

__all__ = ["NullView", "View"]


class View(Protocol):
    """Shows one running answer.

    In this order: `open` once, `update` any number of times (the driver decides when: it
    coalesces, and never queues frames), both on the I/O thread; then `close` once, when
    `response.status` is no longer `running`, on another thread, where it may take as long as
    it takes. All in the context of who asked. A view reads the response and keeps its own
    offsets; it must not change it. What `open` or `update` raise ends the live view, never the
    answer: `close` comes all the same, and leaves what is to be saved. A view that is costly
    for the front end may have an attribute `interval`: the seconds that it wants between
    updates at least.
    """

    def open(self, response: Response) -> None:
        """The answer is about to start: show its place."""

    def update(self, response: Response) -> None:
        """Something came: show what is new since the last call."""

    def close(self, response: Response) -> None:
        """The answer has ended: leave what is to be saved."""


class NullView:
    """Shows nothing."""

    def open(self, response: Response) -> None:
        pass

    def update(self, response: Response) -> None:
        pass

    def close(self, response: Response) -> None:
        pass
