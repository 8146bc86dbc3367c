"""How a panel asks: what its reader can set, and what the endpoint has to offer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..chat import Chat
from ..endpoints import resolve
from ..errors import NbstreamError, UsageError
from ..request import Options
from ..response import Response
from ..tools.tool import Tool, ToolSource
from ..transport.connections import list_models
from ..transport.listing import Model

__all__ = ["Settings"]


class Settings:
    """The settings of a panel; they change those of its chat.

    Args:
        chat: whose options, system message and tools these are.
        aliases: short names of models, by what they stand for.
    """

    def __init__(self, chat: Chat, aliases: Mapping[str, str]) -> None:
        self._chat = chat
        self._aliases = aliases
        self._tools_off: set[str] = set()
        self._models: list[Model] = []
        self._problem = ""

    @property
    def options(self) -> Options:
        """How the next question is asked."""
        options = self._chat.options
        kept = (tool for tool in options.tools if _name(tool) not in self._tools_off)
        model = self._aliases.get(options.model or "", options.model)
        return replace(options, model=model, tools=tuple(kept))

    @property
    def wants_widgets(self) -> bool:
        """Whether the user says that the front end shows widgets, whatever is known of it."""
        return self._chat.view == "widget"

    @property
    def has_models(self) -> bool:
        """Whether the endpoint was asked for its models."""
        return bool(self._models or self._problem)

    def set(self, change: dict[str, Any]) -> None:
        """Change one setting: `model`, `system`, `temperature`, or whether a `tool` is `on`.

        Raises:
            UsageError: it cannot have this value.
        """
        chat = self._chat
        match change:
            case {"model": str(model)}:
                chat.options = replace(chat.options, model=model.strip() or None)
            case {"system": str(system)}:
                chat.session.system = system.strip() or None
            case {"temperature": value}:
                chat.options = replace(chat.options, temperature=_temperature(value))
            case {"tool": str(name), "on": bool(is_on)}:
                (self._tools_off.discard if is_on else self._tools_off.add)(name)

    async def list_models(self) -> None:
        """Ask the endpoint what it offers; on the I/O thread."""
        options = self._chat.options
        try:
            target = await asyncio.to_thread(resolve, options)
            self._models = await list_models(options, target)
            self._problem = ""
        except NbstreamError as error:
            self._problem = str(error)

    def state(self) -> dict[str, Any]:
        """All of it as JSON data."""
        options = self._chat.options
        names = [_name(tool) for tool in options.tools]
        return {
            "session": self._chat.session.name,
            "model": options.model or "",
            "models": [*self._aliases, *(model.name for model in self._models)],
            "problem": self._problem,
            "system": self._chat.session.system or "",
            "temperature": options.temperature,
            "tools": [[name, name not in self._tools_off] for name in names],
        }

    def context_of(self, response: Response) -> int | None:
        """How many tokens the model that answered can have in a request and its answer."""
        sizes = {model.name: model.context for model in self._models}
        if len(sizes) == 1:
            return next(iter(sizes.values()))
        found = (sizes.get(name or "") for name in (response.requested_model, response.model))
        return next(filter(None, found), None)


def _name(tool: Tool | ToolSource) -> str:
    return tool.name if isinstance(tool, Tool) else str(tool)


def _temperature(value: Any) -> float | None:
    if value in (None, ""):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise UsageError(f"{value!r} is no temperature: use a number such as 0.7, or nothing")
    return number
