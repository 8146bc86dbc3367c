"""The user's notebook: its variables, and the cell that runs."""

from __future__ import annotations

import inspect
import sys
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from .errors import UsageError
from .response import Response
from .views.frontend import request, shell

__all__ = [
    "LAST",
    "cell_name",
    "cell_sources",
    "in_cell",
    "is_last_line",
    "last",
    "namespace",
    "running_cell",
    "running_execution",
    "variables",
]

LAST = "_chat"  # the variable that is always the last response

_CODE = (type, FunctionType, BuiltinFunctionType, MethodType)


def namespace() -> dict[str, Any]:
    """The notebook's variables by name; outside of IPython, those of the main module."""
    running = shell()
    found: dict[str, Any] = vars(sys.modules["__main__"]) if running is None else running.user_ns
    return found


def variables() -> list[tuple[str, str]]:
    """What the user has defined: each with its type in a word.

    Data comes first, then functions and classes, each in the order of the names.
    """
    running = shell()
    own = set() if running is None else set(running.user_ns_hidden)
    found = [
        (_is_code(value), name, _kind(value))
        for name, value in namespace().items()
        if not name.startswith("_") and name not in own and not _is_module(value)
    ]
    return [(name, kind) for _, name, kind in sorted(found)]


def running_cell() -> tuple[str, str] | None:
    """The ids of the cell that runs and of this run of it, where the front end tells them."""
    asked = request()
    cell = (asked.get("metadata") or {}).get("cellId")
    return (cell, str(asked["header"]["msg_id"])) if isinstance(cell, str) else None


def running_execution() -> object:
    """What tells one run of a cell from all others; None outside of IPython."""
    running = shell()
    if running is None:
        return None
    return running.execution_count, (request().get("header") or {}).get("msg_id")


def is_last_line(execution: object, value: object) -> bool:
    """Whether that run of a cell shows `value`, at this moment, as that of an expression in it.

    It is what IPython's display hook does, as against `display`; and what `interact` of
    ipywidgets does with the value of its function.
    """
    if execution is None or execution != running_execution():
        return False
    hook = _caller("IPython.core.displayhook")
    if hook is not None and any(each is value for each in hook.f_locals.values()):
        return True
    interaction = _caller("ipywidgets.widgets.interaction")
    shown = interaction and getattr(interaction.f_locals.get("self"), "result", None)
    return shown is value


def cell_name(filename: str) -> str | None:
    """`Cell In[3]` for the file that a cell's code claims to stand in; None for any other."""
    format_name = getattr(getattr(shell(), "compile", None), "format_code_name", None)
    found = format_name(filename) if format_name is not None else None
    if found is not None:
        return " ".join(found)
    is_cell = filename.startswith("<ipython-input") or "ipykernel_" in filename
    return "Cell" if is_cell else None


def cell_sources() -> list[str]:
    """The code of the cells that have run, the last one first."""
    cells = namespace().get("In")
    return [str(cell) for cell in reversed(cells)] if isinstance(cells, list) else []


def last() -> Response:
    """The last answer, which `_chat` holds as well: that of a cell, or of a panel.

    Raises:
        UsageError: there is none yet.
    """
    response = namespace().get(LAST)
    if not isinstance(response, Response):
        raise UsageError("no answer yet: ask with %%chat at the top of a cell")
    return response


def in_cell() -> bool:
    """Whether the caller runs inside a cell, and not in a task of its own beside it."""
    return _caller("IPython.core.interactiveshell") is not None


def _caller(module: str) -> FrameType | None:
    """The innermost frame of a module's code among those that called this; None without one."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    return frame


def _is_module(value: Any) -> bool:
    return issubclass(type(value), ModuleType)  # what it says of itself may raise


def _is_code(value: Any) -> bool:
    return issubclass(type(value), _CODE)


def _kind(value: Any) -> str:
    """`DataFrame 150 × 5`, `list of 3`, or the type's name."""
    name = type(value).__name__
    try:
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and shape:
            return f"{name} {' × '.join(str(each) for each in shape)}"
        if isinstance(value, (list, tuple, dict, set)):
            return f"{name} of {len(value)}"
    except Exception:  # noqa: BLE001  # a value of the user's may raise whatever it likes
        return name
    return name
