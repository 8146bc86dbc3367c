"""nbstream: talk to a language model from a Jupyter notebook.

%load_ext nbstream

%%chat --out answer
Explain this: {{ df }}

answer.text, answer.code_blocks, answer.usage
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import errors
from .messages import Message, ToolCall, ToolResult, Usage
from .response import Response

if TYPE_CHECKING:
    from .chat import Chat

__version__ = "0.1.0"

__all__ = [
    "Chat",
    "Message",
    "Response",
    "ToolCall",
    "ToolResult",
    "Usage",
    "errors",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    # Loaded at the first use, so that `import nbstream` stays cheap.
    if name == "Chat":
        from .chat import Chat

        return Chat
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext nbstream`: the magics `%%chat`, `%chat` and `%%nbchat`."""
    from .extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext nbstream`: as if it had never been loaded."""
    from .extension import unload

    unload(shell)
