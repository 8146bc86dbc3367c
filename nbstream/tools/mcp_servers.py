"""The tools of MCP servers, which speak the Model Context Protocol.

https://modelcontextprotocol.io
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import shlex
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..errors import ConfigurationError, UsageError
from .arguments import as_meant
from .json_schema import without_refs
from .mcp_connection import Connection, MCPToolError, Transport, close_all
from .mcp_http import Address, HTTPTransport, is_address
from .mcp_process import ProcessTransport
from .names import function_name
from .tool import Tool

__all__ = ["MCPImage", "MCPServer", "MCPToolError", "close_all", "is_address", "mcp"]


class MCPImage:
    """A picture that an MCP server sent.

    Attributes:
        mime: what it is, such as `image/png`.
        data: the file's bytes.
    """

    def __init__(self, mime: str, data: bytes) -> None:
        self.mime = mime
        self.data = data

    def __repr__(self) -> str:
        return f"({self.mime}, {len(self.data):,} bytes)"

    def _repr_png_(self) -> bytes | None:
        return self.data if self.mime == "image/png" else None

    def _repr_jpeg_(self) -> bytes | None:
        return self.data if self.mime == "image/jpeg" else None


def mcp(
    command: str | Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    name: str | None = None,
    approve: bool | None = None,
    timeout: float | None = None,
) -> MCPServer:
    """The tools of an MCP server: `Chat(tools=[nbstream.mcp("uvx mcp-server-time")])`.

    A process starts with the first turn that may call it and ends with the kernel. One that
    has died is started again with the next turn. A server at an address is connected to in
    the same way.

    Args:
        command: what starts the server, as in a shell (but none runs), or its words; or the
            address of one that speaks streamable HTTP, `"https://mcp.example.com/mcp"`.
            Errors show the command, and the address up to `?`: a key belongs into `env` or
            `headers`.
        env: environment variables for a server that is started. Of the kernel's own it gets
            PATH, HOME and the like only.
        headers: for a server at an address: by the name of each header the NAME of the
            environment variable that holds its value, `{"Authorization": "MCP_TOKEN"}`. It
            is read at each connection; `%chat key MCP_TOKEN` keeps one as well. A token
            alone gets `Bearer` before it in `Authorization`.
        name: what errors call it; by default the command, or the address's host and path.
        approve: whether to ask the user before each call. By default that is asked of the
            server: a tool is asked for whose annotations say `destructiveHint: true`.
        timeout: seconds for a call.

    Raises:
        UsageError: the command is empty, or its quotes are not closed; an address that is
            none, or a header that names no variable.
        ConfigurationError: the SDK is not installed.
    """
    if isinstance(command, str) and is_address(command.strip()):
        if env:
            raise UsageError("env= is for a command; an address takes headers={NAME: VARIABLE}")
        address = Address(command.strip(), dict(headers or {}))
        connect: Callable[[], Transport] = functools.partial(HTTPTransport, address)
        shown = address.shown
    else:
        if headers:
            raise UsageError("headers= is for an address; a command takes env={NAME: VALUE}")
        words = _words(command)
        connect = functools.partial(ProcessTransport, tuple(words), dict(env or {}))
        shown = shlex.join(words)
    return MCPServer(connect, name=name or shown, approve=approve, timeout=timeout)


class MCPServer:
    """An MCP server's tools, for `Chat(tools=...)`; made by `nbstream.mcp`."""

    def __init__(
        self,
        connect: Callable[[], Transport],
        *,
        name: str,
        approve: bool | None,
        timeout: float | None,
    ) -> None:
        if importlib.util.find_spec("mcp") is None:
            raise ConfigurationError('MCP needs its SDK: pip install "nbstream[mcp]"')
        self.name = name
        self._transport = connect
        self._approve = approve
        self._timeout = timeout
        self._connection: Connection | None = None

    def __repr__(self) -> str:
        return f"<MCPServer {self.name}>"

    async def tools(self) -> Sequence[Tool]:
        """What the server offers now; starts it, or connects, where that is not done.

        Raises:
            ConfigurationError: it does not start, or does not say what it offers.
        """
        kept = self._connection
        if kept is not None and kept.is_open:
            with suppress(ConfigurationError, MCPToolError):  # it has died since the last turn
                return await self._tools(kept)
            await kept.close()
        if self._connection is kept:  # else another turn was faster
            self._connection = self._connect()
        assert self._connection is not None
        return await self._tools(self._connection)

    async def close(self) -> None:
        """End the process or the session, if there is one; called on the I/O thread."""
        if self._connection is not None:
            await self._connection.close()

    def _connect(self) -> Connection:
        connection = Connection(self.name, self._transport())
        # A server that nobody holds any more, because its cell ran again, is not kept.
        weakref.finalize(self, connection.close_soon).atexit = False
        return connection

    async def _tools(self, connection: Connection) -> list[Tool]:
        return [
            Tool(
                name=function_name(each["name"]),
                description=each.get("description") or "",
                parameters=_parameters(each["inputSchema"]),
                bind=functools.partial(_bind, connection, each["name"], each["inputSchema"]),
                is_async=True,
                on_io_thread=True,
                approve=_is_destructive(each) if self._approve is None else self._approve,
                timeout=self._timeout,
            )
            for each in await connection.list_tools()
        ]


def _is_destructive(tool: Mapping[str, Any]) -> bool:
    """Whether a tool's server says so. The protocol's default where it says nothing is yes,
    and most servers say nothing.

    The hint means something only of a tool that is not read-only:
    https://modelcontextprotocol.io/specification/2025-11-25/schema#toolannotations
    """
    hints = tool.get("annotations")
    if not isinstance(hints, Mapping):
        return False
    return hints.get("destructiveHint") is True and hints.get("readOnlyHint") is not True


def _words(command: str | Sequence[str]) -> list[str]:
    try:
        words = shlex.split(command) if isinstance(command, str) else [str(c) for c in command]
    except ValueError as error:
        raise UsageError(f"no command: {command!r} ({error})") from error
    if not words or not words[0]:
        raise UsageError('no command: say what starts the server, mcp("uvx mcp-server-time")')
    return words


def _parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A server's schema as the API takes it: an object's, without references."""
    plain = without_refs({key: value for key, value in schema.items() if key != "$schema"})
    return {"type": "object", "properties": {}, **plain}


def _bind(
    connection: Connection, name: str, schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Callable[[], Coroutine[Any, Any, Any]]:
    meant = as_meant(schema, dict(arguments))

    async def call() -> Any:
        return _value(await connection.call(name, meant))  # the server checks them

    return call


def _value(result: Mapping[str, Any]) -> Any:
    """The plain value of a call's result.

    Structured content is the value, without the `{"result": ...}` that SDKs put around what
    is no object; else the text; pictures are objects of their own.

    Raises:
        MCPToolError: the result says that the call failed.
    """
    parts = [_part(part) for part in result.get("content", ())]
    text = "\n".join(part for part in parts if isinstance(part, str))
    if result.get("isError"):
        raise MCPToolError(text or "the tool failed and does not say why")
    structured = result.get("structuredContent")
    if isinstance(structured, dict) and structured.keys() == {"result"}:
        structured = structured["result"]
    images = [part for part in parts if isinstance(part, MCPImage)]
    said = text if structured is None else structured
    if not images:
        return said
    return [said, *images] if said else images if len(images) > 1 else images[0]


def _part(part: Mapping[str, Any]) -> str | MCPImage:
    """A block of content: its text, a picture, or a word on what else it is."""
    if part["type"] == "text":
        return str(part["text"])
    if part["type"] == "image":
        with suppress(ValueError):
            return MCPImage(part["mimeType"], base64.b64decode(part["data"]))
    resource = part.get("resource", part)
    if "text" in resource:
        return str(resource["text"])
    return f"({part['type']}: {resource.get('uri') or resource.get('mimeType', 'unknown')})"
