"""What a cell keeps when a live view has ended."""

from __future__ import annotations

from ..response import Response

__all__ = ["leaves_nothing"]


def leaves_nothing(response: Response, *, owns_cell: bool) -> bool:
    """Whether nothing came that is worth an output: the cell's own error says why."""
    has_failed = response.status != "complete"
    return owns_cell and has_failed and all(turn.is_empty for turn in response.rounds)
