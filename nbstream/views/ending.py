"""What a cell keeps when a live view has ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..render.saved import bundle, plain_bundle
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..response import Response

__all__ = ["leave", "leaves_nothing"]

log = logging.getLogger("nbstream")


def leaves_nothing(response: Response, *, owns_cell: bool) -> bool:
    """Whether nothing came that is worth an output: the cell's own error says why.

    Of a stop the cell says nothing: it is no error to who wished it.
    """
    has_failed = response.status in ("error", "incomplete")
    return owns_cell and has_failed and all(turn.is_empty for turn in response.rounds)


def leave(
    show: Callable[[dict[str, Any]], None],
    response: Response,
    *,
    style: RenderStyle = DEFAULT_STYLE,
) -> None:
    """Show what is saved of an answer; where that fails, the plain form of it.

    Args:
        show: puts a mime bundle in the place of the live view.
        response: has ended.
        style: how answers look.
    """
    try:
        show(bundle(response, style))
    except Exception:
        log.exception("what is saved of an answer could not be shown; it is saved as plain text")
        show(plain_bundle(response, style))
