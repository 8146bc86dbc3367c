"""A text for the reader's clipboard, which only the page reaches: a kernel has none.

The page copies at once where the browser allows it, else when its button is pressed; in both
cases a line takes the place of the text. Where no widget is shown the text is printed.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from IPython.display import display

from ..render.invisible import visible
from .frontend import has_rich_output
from .terminal import printable

__all__ = ["offer"]

_NO_WAY = (
    "Copy it from here: this front end is not known to show widgets, which copy by themselves."
)

log = logging.getLogger("nbstream")


def offer(text: str, name: str, *, has_widgets: bool) -> None:
    """Bring a text to the reader's clipboard, or before the reader's eyes.

    Args:
        text: what is to be copied.
        name: what it is, at the beginning of a sentence.
        has_widgets: whether the front end shows them.
    """
    if has_widgets:
        try:
            _offer_in_page(text, name)
        except Exception:  # whatever is wrong with a widget, the text is shown
            log.debug("the widget could not be made", exc_info=True)
        else:
            return
    print(printable(text).removesuffix("\n"))  # noqa: T201  # a command's output
    if has_rich_output():
        print(f"\n{_NO_WAY}")  # noqa: T201


def _offer_in_page(text: str, name: str) -> None:
    from .copy_widget import CopyWidget
    from .widget import metadata_of, view_of

    output = uuid.uuid4().hex
    shown = visible(text)
    widget = CopyWidget(text=text, shown="" if shown == text else shown, label=name, name=output)
    handle = display(
        view_of(widget, printable(text)),
        raw=True,
        metadata=metadata_of(widget, answer=output),
        display_id=True,
    )

    def on_message(_widget: Any, content: Any, _buffers: list[Any]) -> None:
        if content == {"copied": True}:
            handle.update({"text/plain": f"{name} is copied."}, raw=True)
            # A model that is left open would be saved with the notebook.
            widget.layout.close()
            widget.close()

    widget.on_msg(on_message)
