"""Tab completion of flags, models and commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .errors import NbstreamError

if TYPE_CHECKING:
    from .magics import ChatMagics

__all__ = ["Completer"]

_FRESH = 300.0  # seconds for which a list of models is good enough


class Completer:
    """Answers IPython's `complete_command` hook for the magics."""

    def __init__(self, magics: ChatMagics) -> None:
        self._magics = magics
        self._models: list[str] = []
        self._listed = float("-inf")

    def complete_cell(self, _shell: Any, event: Any) -> list[str]:
        """What may follow on a `%%chat` line."""
        words = event.line[: len(event.line) - len(event.symbol)].split()
        before = words[-1] if words else ""
        if event.symbol.startswith("-"):
            return [flag for flag in self._flags() if flag.startswith(event.symbol)]
        if before == "--view":
            return ["auto", "widget", "display", "text"]
        if before == "--session":
            return [session.name for session in self._magics.sessions]
        if before in ("-m", "--model") or len(words) == 1:
            return self._models_or_none()
        return []

    def complete_line(self, _shell: Any, event: Any) -> list[str]:
        """What may follow `%chat`."""
        words = event.line[: len(event.line) - len(event.symbol)].split()
        return self._magics.commands.names if len(words) == 1 else []

    def models(self, *, fresh: bool = False) -> list[str]:
        """The models that `-m` takes, as listed in the last five minutes.

        Raises:
            NbstreamError: the endpoint could not be asked.
        """
        from .commands import offered_models

        if fresh or time.monotonic() - self._listed > _FRESH:
            self._models = offered_models(self._magics)
            self._listed = time.monotonic()
        return self._models

    def _models_or_none(self) -> list[str]:
        try:
            return self.models()
        except NbstreamError:
            return ["local"]

    def _flags(self) -> list[str]:
        parser = self._magics.chat_cell.parser
        return [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001
