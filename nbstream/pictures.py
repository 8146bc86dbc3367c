"""Figures and pictures of the notebook as files."""

from __future__ import annotations

import io
import sys
from typing import Any

__all__ = ["figure_of", "picture"]

_METHODS = {"image/png": "_repr_png_", "image/jpeg": "_repr_jpeg_"}


def figure_of(value: Any) -> Any:
    """The matplotlib figure that `value` is, or whose axes it is (`df.plot()` returns axes).

    None for anything else.
    """
    # Without an import: who has such an object has imported what it is made of.
    axes = getattr(sys.modules.get("matplotlib.axes"), "Axes", ())
    value = value.figure if isinstance(value, axes) else value
    is_figure = type(value).__module__.startswith("matplotlib.") and hasattr(value, "savefig")
    return value if is_figure else None


def picture(value: Any) -> tuple[str, bytes] | None:
    """The media type and the bytes of what shows itself as a picture; else None.

    That is a matplotlib figure or its axes, a PIL image, or whatever has `_repr_png_` or
    `_repr_jpeg_`. What the object raises gets through.
    """
    figure = figure_of(value)
    if figure is not None:
        return "image/png", _figure_png(figure)
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
