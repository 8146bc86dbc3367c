"""What is shown for an `ipywidgets.Output`, also after the block that it takes outputs of.

The page gives an `Output` the messages that answer one request, while it is told to. The
request that a cell is, it knows as long as the cell shows its outputs. That of a button, whose
callback started something that goes on, it has forgotten when the callback returns: what is
shown for it after that appears nowhere. So that becomes the `Output`'s state, which reaches the
page as long as the kernel is free.
"""

from __future__ import annotations

import time
from typing import Any

from IPython.display import display

from .frontend import answers_requests, output_widget, request

__all__ = ["Capture"]

_SETTLED = 0.4  # seconds in which the page tells the kernel what the `Output` has taken already
_GROWTH = 1.25  # each time the whole state is sent: only when it has grown by a quarter


class Capture:
    """Shows outputs where those of the calling code go.

    Args:
        blocking: whether the calling cell or callback waits for all that will be shown.
    """

    def __init__(self, *, blocking: bool) -> None:
        self._output = output_widget()
        header = request().get("header") or {}
        self._msg_id = header.get("msg_id", "")
        waits = blocking and answers_requests()
        is_forgotten = not waits and header.get("msg_type") == "comm_msg"
        self._is_state = is_forgotten and self._output is not None
        self._opened = time.monotonic()
        self._size = 0

    def is_due(self, size: int) -> bool:
        """Whether it is worth while to show more.

        Args:
            size: of all that will be shown then, in characters.
        """
        if not self._is_state:
            return True
        return time.monotonic() - self._opened > _SETTLED and size >= self._size * _GROWTH

    def show(self, data: dict[str, Any], size: int) -> None:
        """Show a mime bundle below what was shown before; `size` as for `is_due`."""
        if self._is_state:
            time.sleep(max(0.0, self._opened + _SETTLED - time.monotonic()))
            shown = {"output_type": "display_data", "data": data, "metadata": {}}
            self._output.outputs = (*self._output.outputs, shown)
            self._size = size
        elif self._output is None or self._output.msg_id:
            display(data, raw=True)
        else:  # the block has been left
            self._output.msg_id = self._msg_id
            try:
                display(data, raw=True)
            finally:
                self._output.msg_id = ""
