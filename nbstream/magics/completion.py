"""Tab completion of flags, models and commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from ..session import Sessions
from ..views.choose import VIEWS

__all__ = ["Completer"]


class Completer:
    """Answers IPython's `complete_command` hook for the magics.

    Args:
        parser: of the cell magic's line.
        commands: of the line magic.
        sessions: those that there are.
        models: gives the names of models.
    """

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        commands: Sequence[str],
        sessions: Sessions,
        models: Callable[[], list[str]],
    ) -> None:
        self._flags = list(parser._option_string_actions)  # noqa: SLF001
        self._commands = commands
        self._sessions = sessions
        self._models = models

    def complete_cell(self, _shell: Any, event: Any) -> list[str]:
        """What may follow on a `%%chat` line."""
        words = event.line[: len(event.line) - len(event.symbol)].split()
        before = words[-1] if words else ""
        if event.symbol.startswith("-"):
            return [flag for flag in self._flags if flag.startswith(event.symbol)]
        if before == "--view":
            return [*VIEWS]
        if before == "--session":
            return [session.name for session in self._sessions]
        if before in ("-m", "--model") or len(words) == 1:
            return self._models()
        return []

    def complete_line(self, _shell: Any, event: Any) -> list[str]:
        """What may follow `%chat`."""
        words = event.line[: len(event.line) - len(event.symbol)].split()
        return list(self._commands) if len(words) == 1 else []
