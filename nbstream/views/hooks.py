"""What changes each message that shows something, where the hooks of a thread do so."""

from __future__ import annotations

from typing import Any

from .frontend import shell

__all__ = ["CellHooks"]


class CellHooks:
    """Inside the block, the calling thread has the display hooks of the thread that made this.

    A kernel keeps the hooks of `display_pub.register_hook` for each thread. Colab's are on the
    thread of the cells: one tells the page where the code of custom widgets is, and creating
    the first such widget registers it. Our views display and create on the thread that reads
    the answer. Without the cell's hooks that widget would stay empty there, or all those of the
    cells, with the hook on the wrong thread.

    Source: `google/colab/output/_widgets.py` and `ipykernel/zmqshell.py`.
    """

    def __init__(self) -> None:
        publisher = getattr(shell(), "display_pub", None)
        # Both are internal to ipykernel; they have been the same from version 4 to 7.
        self._local: Any = getattr(publisher, "_thread_local", None)
        self._hooks: Any = None if self._local is None else getattr(publisher, "_hooks", None)
        self._before: Any = None

    def __enter__(self) -> None:
        if self._hooks is not None:
            self._before = getattr(self._local, "hooks", [])
            self._local.hooks = self._hooks

    def __exit__(self, *_: object) -> None:
        if self._hooks is not None:
            self._local.hooks = self._before
