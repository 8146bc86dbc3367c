"""Figures and pictures of the notebook as PNG."""

from __future__ import annotations

import io
import sys
from typing import Any

__all__ = ["is_figure", "png"]


def is_figure(value: Any) -> bool:
    """Whether `value` is a matplotlib figure."""
    return type(value).__module__.startswith("matplotlib.") and hasattr(value, "savefig")


def png(value: Any) -> bytes | None:
    """A matplotlib figure, a PIL image or what else shows itself as a PNG; else None.

    Whatever the object raises gets through.
    """
    if is_figure(value):
        return _figure_png(value)
    make = getattr(type(value), "_repr_png_", None)
    made = None if make is None else make(value)
    if isinstance(made, tuple):  # with metadata
        made = made[0]
    return made if isinstance(made, bytes) else None


def _figure_png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)  # the inline backend would show it once more, below the cell
    return buffer.getvalue()
