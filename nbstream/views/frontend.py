"""What a kernel knows of its front end: who started it, who asks, and who takes what is shown.

A kernel cannot see its front end. It sees the environment that it was started with, and the
request that a cell is.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

from .server import lacks

__all__ = [
    "answers_requests",
    "has_rich_output",
    "has_widgets",
    "is_attended",
    "is_captured",
    "is_in_voila",
    "is_main_thread",
    "only_adds_outputs",
    "output_widget",
    "request",
    "shell",
]

_VOILA = "VOILA_BASE_URL"
# Who sets which: Jupyter Server names a session; VS Code's kernels inherit its variables, the
# shells in its terminal do not; voila says where its page is.
_SHOW_WIDGETS = ("JPY_SESSION_NAME", "VSCODE_PID", "VSCODE_CWD", _VOILA)


def shell() -> Any:
    """The shell that runs the notebook's or the terminal's cells, or None."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


def request() -> Mapping[str, Any]:
    """The message that the calling cell answers; empty where there is none."""
    running = shell()
    get_parent = getattr(running, "get_parent", None)
    if get_parent is None:
        get_parent = getattr(getattr(running, "kernel", None), "get_parent", None)
    parent = get_parent() if get_parent is not None else None
    return parent if isinstance(parent, Mapping) else {}


def answers_requests() -> bool:
    """Whether the calling thread runs what the front end asks for, and no thread of the user's.

    That is the main thread; callbacks of widgets run in a subshell's where there are some
    (https://github.com/jupyter/enhancement-proposals, JEP 91).
    """
    is_subshell = type(threading.current_thread()).__module__.startswith("ipykernel.")
    return is_subshell or is_main_thread()


def is_main_thread() -> bool:
    """Whether the caller is where interrupts arrive."""
    return threading.current_thread() is threading.main_thread()


def has_rich_output() -> bool:
    """Whether what is displayed is more than text: in a kernel, and in a shell that keeps it."""
    running = shell()
    return running is not None and (_is_kernel(running) or is_captured())


def has_widgets() -> bool:
    """Whether the front end is known to show widgets."""
    if not _is_kernel(shell()) or lacks():
        return False
    # Colab has its package in the kernel.
    return any(name in os.environ for name in _SHOW_WIDGETS) or "google.colab" in sys.modules


def is_attended() -> bool:
    """Whether somebody may be there who sees what the calling cell does, and could answer it.

    A front end for people lets a cell ask for input; `jupyter execute`, papermill, nbconvert
    and voila, which run a notebook from its beginning to its end, do not.
    """
    running = shell()
    if running is None or not _is_kernel(running):
        return running is None or not _runs_notebooks(running)
    content = request().get("content") or {}
    return content.get("allow_stdin", True) is not False


def is_in_voila() -> bool:
    """Whether the notebook is run for a page of voila, which shows its widgets afterwards."""
    return _VOILA in os.environ


def is_captured() -> bool:
    """Whether something takes what the calling cell shows: `ipywidgets.Output`, `%%capture`."""
    running = shell()
    if running is None:
        return False
    from IPython.core.displaypub import CapturingDisplayPublisher

    is_kept = isinstance(running.display_pub, CapturingDisplayPublisher)
    return is_kept or _runs_notebooks(running) or output_widget() is not None


def only_adds_outputs() -> bool:
    """Whether the front end may be a console, which ignores the update of an output.

    Notebooks tell the id of their cell. Where nobody is there, no output is read before the
    run has ended; then all updates count.
    """
    has_cell = "cellId" in (request().get("metadata") or {})
    return not has_cell and is_attended()


def _is_kernel(running: Any) -> bool:
    return getattr(running, "kernel", None) is not None


def _runs_notebooks(running: Any) -> bool:
    """Whether a program without a kernel runs cells and keeps what they show.

    Such is ploomber-engine. It has a publisher of its own, and a terminal has IPython's.
    """
    from IPython.core.displaypub import CapturingDisplayPublisher, DisplayPublisher

    known = (DisplayPublisher, CapturingDisplayPublisher)
    return not _is_kernel(running) and type(running.display_pub) not in known


def output_widget() -> Any:
    """The `ipywidgets.Output` that takes what answers the calling cell's request, or None."""
    widgets = sys.modules.get("ipywidgets.widgets.widget")
    outputs = sys.modules.get("ipywidgets.widgets.widget_output")
    msg_id = (request().get("header") or {}).get("msg_id")
    if widgets is None or outputs is None or not msg_id:
        return None
    # ipywidgets 7 has them in the class.
    living = widgets._instances if hasattr(widgets, "_instances") else widgets.Widget.widgets  # noqa: SLF001
    found = [each for each in list(living.values()) if isinstance(each, outputs.Output)]
    return next((each for each in reversed(found) if each.msg_id == msg_id), None)
