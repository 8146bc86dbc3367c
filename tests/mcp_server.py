"""An MCP server for the tests, made with the SDK's own server side: `python mcp_server.py`."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path
from typing import Any

from mcp.types import ToolAnnotations
from pydantic import BaseModel

try:
    from mcp.server.mcpserver import Image, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
except ModuleNotFoundError:  # the SDK's first major version
    from mcp.server.fastmcp import FastMCP as MCPServer
    from mcp.server.fastmcp import Image
    from mcp.server.fastmcp.exceptions import ToolError

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)

server = MCPServer("test")


class Place(BaseModel):
    name: str
    inside: list[str] = []


@server.tool()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@server.tool()
def find(place: Place, other: Place | None = None) -> dict[str, Any]:
    """Where a place is."""
    return {"name": place.name, "east": 13.4, "other": other and other.name}


@server.tool()
def picture() -> Image:
    """A picture."""
    return Image(data=PNG, format="png")


@server.tool(structured_output=False)
def captioned() -> list[Any]:
    """A picture with words."""
    return ["One pixel.", Image(data=PNG, format="png")]


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why)


@server.tool(name="odd/name with.everything")
def odd() -> str:
    """A name that the API does not take."""
    return "fine"


@server.tool()
async def wait(seconds: float, told: str) -> str:
    """Wait; when cancelled, leave a file at `told`."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        Path(told).write_text("cancelled")  # noqa: ASYNC240  # a byte or two
        raise
    return "waited"


@server.tool()
def leave() -> str:
    """End the process in the middle of a call."""
    os._exit(3)


@server.tool()
def chatter() -> str:
    """Write a great deal to stderr, and what is no protocol to stdout."""
    sys.stderr.write("noise \x1b[31m\n" * 100_000)
    os.write(1, b"this is no JSON\n")
    return "quiet"


@server.tool()
def environment() -> dict[str, str]:
    """The process's environment."""
    return dict(os.environ)


@server.tool()
def process() -> int:
    """The number of the process."""
    return os.getpid()


def _hinted(**hints: bool) -> Any:
    return server.tool(name="_".join(hints), annotations=ToolAnnotations.model_validate(hints))


@_hinted(destructiveHint=True)
@_hinted(destructiveHint=True, readOnlyHint=True)
@_hinted(readOnlyHint=True)
@_hinted(openWorldHint=True)
def hinted() -> str:
    """A tool of which the server says something, by the names of what is true."""
    return "done"


@server.tool(annotations=ToolAnnotations(title="Harmless"))
def untouched() -> str:
    """A tool of which the server says nothing."""
    return "done"


@server.tool(annotations=ToolAnnotations.model_validate({"destructiveHint": False}))
def additive() -> str:
    """A tool that destroys nothing, as its server says."""
    return "done"


if __name__ == "__main__":
    server.run()
