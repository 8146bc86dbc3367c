"""The user's notebook: its variables, and the cell that runs."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

from .views.frontend import request, shell

__all__ = ["LAST", "in_cell", "namespace", "running_cell", "variables"]

LAST = "_chat"  # the variable that is always the last response


def namespace() -> dict[str, Any]:
    """The notebook's variables by name; outside of IPython, those of the main module."""
    running = shell()
    found: dict[str, Any] = vars(sys.modules["__main__"]) if running is None else running.user_ns
    return found


def variables() -> list[tuple[str, str]]:
    """What the user has defined, in the order of the names: each with its type in a word."""
    running = shell()
    own = set() if running is None else set(running.user_ns_hidden)
    return [
        (name, _kind(value))
        for name, value in sorted(namespace().items())
        if not name.startswith("_") and name not in own and not _is_module(value)
    ]


def running_cell() -> tuple[str, str] | None:
    """The ids of the cell that runs and of this run of it, where the front end tells them."""
    asked = request()
    cell = (asked.get("metadata") or {}).get("cellId")
    return (cell, str(asked["header"]["msg_id"])) if isinstance(cell, str) else None


def in_cell() -> bool:
    """Whether the caller runs inside a cell, and not in a task of its own beside it."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "IPython.core.interactiveshell":
            return True
        frame = frame.f_back
    return False


def _is_module(value: Any) -> bool:
    return issubclass(type(value), ModuleType)  # what it says of itself may raise


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
