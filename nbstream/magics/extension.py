"""Loading and unloading the magics."""

from __future__ import annotations

import sys
import threading
from typing import Any

from ..driver import shut_down
from ..errors import Interrupted
from ..namespace import LAST
from ..transport.client import preload
from ..views.choose import choose_view
from ..views.server import tell_once
from .magics import ChatMagics

__all__ = ["load", "unload"]

_CELL_NAMES = ("chat", "nbchat")
_LINE_NAMES = ("chat", "nbchat")
_LATER = 3.0  # seconds


class _Loaded:
    """What loading changed in a shell, so that unloading can change it back."""

    def __init__(self, shell: Any) -> None:
        registered = shell.magics_manager.magics
        self.magics = ChatMagics(shell)
        self.before = {
            (kind, name): registered[kind][name]
            for kind, names in (("cell", _CELL_NAMES), ("line", _LINE_NAMES))
            for name in names
            if name in registered[kind]
        }
        self.ended = threading.Event()
        self.warm_up = threading.Thread(
            target=_warm_up, args=(self.ended,), name="nbstream-warm-up", daemon=True
        )
        shell.register_magics(self.magics)
        shell.register_magic_function(self.magics.chat_cell, "cell", "nbchat")
        shell.register_magic_function(self.magics.chat_line, "line", "nbchat")
        for name in _CELL_NAMES:
            shell.set_hook(
                "complete_command", self.magics.completer.complete_cell, str_key=f"%%{name}"
            )
            shell.set_hook(
                "complete_command", self.magics.completer.complete_line, str_key=f"%{name}"
            )

        shell.input_transformers_cleanup.append(_with_a_body)
        if not shell.custom_exceptions:
            shell.set_custom_exc((Interrupted,), _show_stop)

    def undo(self, shell: Any) -> None:
        if _with_a_body in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(_with_a_body)
        if shell.custom_exceptions == (Interrupted,):
            shell.set_custom_exc((), None)
        self.ended.set()
        self.warm_up.join(_LATER)
        registered = shell.magics_manager.magics
        for kind, names in (("cell", _CELL_NAMES), ("line", _LINE_NAMES)):
            for name in names:
                registered[kind].pop(name, None)
        for (kind, name), function in self.before.items():
            registered[kind][name] = function
        shell.magics_manager.registry.pop(ChatMagics.__name__, None)
        if self.magics in shell.configurables:
            shell.configurables.remove(self.magics)
        hooks = shell.strdispatchers.get("complete_command")
        for name in _CELL_NAMES:
            for prefix in ("%%", "%"):
                if hooks is not None:
                    hooks.strs.pop(f"{prefix}{name}", None)
        shell.user_ns.pop(LAST, None)


_loaded: dict[int, _Loaded] = {}


def load(shell: Any) -> None:
    """Register the magics in `shell`; a second time changes nothing."""
    if id(shell) in _loaded:
        return
    loaded = _loaded[id(shell)] = _Loaded(shell)
    loaded.warm_up.start()
    tell_once()
    if ("cell", "chat") in loaded.before:
        owner = getattr(loaded.before["cell", "chat"], "__module__", "another extension")
        print(  # noqa: T201  # said once, where the user reads it
            f"nbstream took over %%chat from {owner}; %%nbchat is the same under its own name, "
            "and %unload_ext nbstream gives %%chat back."
        )


def _with_a_body(lines: list[str]) -> list[str]:
    """A `%%chat` line that stands alone, with an empty line below it.

    IPython refuses cell magics without a body. `--help` and a template need none, and what
    else is missing our own error says.
    """
    is_ours = len(lines) == 1 and lines[0].split()[:1] in [[f"%%{name}"] for name in _CELL_NAMES]
    return [lines[0].rstrip("\n") + "\n", "\n"] if is_ours else lines


# Else IPython would ask it whether a line in a terminal is a whole cell, and it would be.
_with_a_body.has_side_effects = True  # type: ignore[attr-defined]


def _show_stop(shell: Any, kind: Any, error: Any, trace: Any, tb_offset: Any = None) -> None:
    """Show why a cell ended that was stopped, unless its answer says so already.

    The cell has failed all the same: what runs all cells stops there.
    """
    if not error.is_shown:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def _warm_up(ended: threading.Event) -> None:
    """Import what the first answer would otherwise wait for, in the order in which it does.

    What only some answers need comes later: it would hold up one that is asked at once.
    """
    preload()
    choose_view("auto", owns_cell=False)
    from ..render.patches import warm_up

    warm_up()
    if not ended.wait(_LATER):
        from ..render.highlight import prepare

        prepare("python")


def unload(shell: Any) -> None:
    """Take the magics away, stop what runs, close what is open."""
    loaded = _loaded.pop(id(shell), None)
    if loaded is not None:
        loaded.undo(shell)
    panels = sys.modules.get("nbstream.panel.screen")
    if panels is not None:
        panels.close_all()
    shut_down()
    local = sys.modules.get("nbstream.local")
    if local is not None:
        local.stop_all()
