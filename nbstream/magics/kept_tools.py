"""The tools of every cell, as they are when a cell asks."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError
from ..tools.tool import Tool, ToolSource, tools_of

__all__ = ["kept_tools"]


def kept_tools(
    kept: Mapping[str, Any], evaluate: Callable[[str], Any]
) -> dict[str, Tool | ToolSource]:
    """The tools by what was typed to keep them.

    Args:
        kept: what each was when it was kept.
        evaluate: says what an expression is now.

    Raises:
        UsageError: one is no tool any more; it says which, and how to remove it.
    """
    tools: dict[str, Tool | ToolSource] = {}
    for typed, value in kept.items():
        try:
            (tools[typed],) = tools_of([_as_it_is_now(typed, value, evaluate)])
        except UsageError as error:
            why = str(error).removeprefix("no tool: ")
            raise UsageError(
                f"kept tool {typed}: {why} · %chat tools remove {typed}, or define it anew"
            ) from error
    return tools


def _as_it_is_now(typed: str, value: Any, evaluate: Callable[[str], Any]) -> Any:
    """What a name stands for may have been defined anew since it was kept.

    What a call made, such as a server, is not made again for every cell.
    """
    try:
        nodes = ast.walk(ast.parse(typed, mode="eval"))
        return value if any(isinstance(node, ast.Call) for node in nodes) else evaluate(typed)
    except (SyntaxError, ValueError, UsageError):  # `mcp:COMMAND`, or it is not there any more
        return value
