"""The widget that copies a text: `static/copy.js`."""

from __future__ import annotations

import anywidget
import traitlets

from .static import module, stylesheet

__all__ = ["CopyWidget"]


class CopyWidget(anywidget.AnyWidget):
    """A text to be copied, and its `label`; the page finds its output by its `name`."""

    text = traitlets.Unicode().tag(sync=True)
    #: The text as it is shown, where that is not the same: invisible characters have names.
    shown = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    #: Whether the page has tried to copy it without being told to.
    tried = traitlets.Bool().tag(sync=True)
    _esm = module("copy")
    _css = stylesheet("answer", "copy")
