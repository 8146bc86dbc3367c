"""What every view does."""

from __future__ import annotations

from typing import Protocol

from ..response import Response

__all__ = ["NullView", "View"]


class View(Protocol):
    """Shows one running answer.

    All three are called from one thread, in this order: `open` once, `update` any
    number of times (the driver decides when: it coalesces, and never queues frames),
    `close` once, when `response.status` is no longer `running`. A view reads the
    response and keeps its own offsets; it must not change it. What a view raises ends
    the view, never the answer. A view that is costly for the front end may have an
    attribute `interval`: the seconds that it wants between updates at least.
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
