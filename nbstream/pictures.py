"""Figures and pictures of the notebook as files."""

from __future__ import annotations

import io
import sys
from typing import Any

__all__ = ["is_figure", "picture"]

_METHODS = {"image/png": "_repr_png_", "image/jpeg": "_repr_jpeg_"}


def is_figure(value: Any) -> bool:
    """Whether `value` is a matplotlib figure."""
    return type(value).__module__.startswith("matplotlib.") and hasattr(value, "savefig")


def picture(value: Any) -> tuple[str, bytes] | None:
    """The media type and the bytes of what shows itself as a picture; else None.

    That is a matplotlib figure, a PIL image, or whatever has `_repr_png_` or
    `_repr_jpeg_`. What the object raises gets through.
    """
    if is_figure(value):
        return "image/png", _figure_png(value)
    for kind, method in _METHODS.items():
        make = getattr(type(value), method, None)
        made = None if make is None else make(value)
        if isinstance(made, tuple):  # with metadata
            made = made[0]
        if isinstance(made, bytes):
            return kind, made
    return None


def _figure_png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)  # the inline backend would show it once more, below the cell
    return buffer.getvalue()
