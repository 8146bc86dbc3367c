"""Talk to a language model from a Jupyter notebook.

In cells::

    %load_ext nbstream

    %%chat --out answer
    Explain this: {{ df }}

    answer.text, answer.code_blocks, answer.usage

From Python, the names of this package:

    Chat            a conversation: `Chat("MODEL").send("Why?")` shows and returns an answer
    ChatPanel       a conversation as a chat window in the notebook
    Response        an answer as data: text, code blocks, tables, calls, usage, the whole record
    last            the last answer of a cell or a panel, as the variable `_chat`
    tool, Tool      a function that the model may call, and how it is offered
    mcp             the tools of an MCP server
    Message, ToolCall, ToolResult, Usage
                    what `Response.messages`, `.tool_calls` and `.usage` are made of
    errors          every exception; all but `Interrupted` are a `NbstreamError`

`%chat help` lists the commands, and `%%chat?` the flags of a cell.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import errors
from .messages import Message, ToolCall, ToolResult, Usage
from .response import Response

if TYPE_CHECKING:
    from .chat import Chat
    from .namespace import last
    from .panel.panel import ChatPanel
    from .tools.mcp_servers import mcp
    from .tools.tool import Tool, tool

__version__ = "0.1.0"

__all__ = [
    "Chat",
    "ChatPanel",
    "Message",
    "Response",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Usage",
    "errors",
    "last",
    "load_ipython_extension",
    "mcp",
    "tool",
    "unload_ipython_extension",
]


# Loaded at the first use, so that `import nbstream` stays cheap.
_HOMES = {
    "Chat": "chat",
    "ChatPanel": "panel.panel",
    "Tool": "tools.tool",
    "last": "namespace",
    "mcp": "tools.mcp_servers",
    "tool": "tools.tool",
}


if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext nbstream`: the magics `%%chat`, `%chat` and `%%nbchat`."""
    from .io_thread import check_threads

    check_threads()  # before anything is loaded that a browser's Python may not even have
    from .magics.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext nbstream`: as if it had never been loaded."""
    from .magics.extension import unload

    unload(shell)
