"""Tools of MCP servers: processes that speak the Model Context Protocol over stdin and stdout.

https://modelcontextprotocol.io. The official SDK speaks it; here is who starts a process,
keeps it from one turn to the next, and ends it. Everything runs on the I/O thread.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextvars
import functools
import importlib.util
import logging
import os
import re
import shlex
import shutil
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, TextIO, TypeVar

from .errors import ConfigurationError, UsageError
from .io_thread import io_thread
from .json_schema import without_refs
from .tools import Tool

__all__ = ["MCPImage", "MCPServer", "MCPToolError", "close_all", "mcp"]

T = TypeVar("T")

_START_TIME = 15.0  # seconds for a process to start and to answer the first questions
_END_TIME = 5.0  # seconds for all of them to end when Python does
_MOST_PAGES = 100  # of a list of tools: one that never ends is cut
_LOG_LINES = 3  # of a server's stderr that an error repeats
_LOG_WIDTH = 200  # bytes of each
_CLOSED = -32000  # the SDK's code for a connection that is gone
_DIED = "its process ended"


class MCPToolError(Exception):
    """A call that an MCP server could not answer; the message is the server's, for the model."""


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
    name: str | None = None,
    approve: bool = False,
    timeout: float | None = None,
) -> MCPServer:
    """The tools of an MCP server: `Chat(tools=[nbstream.mcp("uvx mcp-server-time")])`.

    The process starts with the first turn that may call it and ends with the kernel. One
    that has died is started again with the next turn.

    Args:
        command: what starts the server, as in a shell (but none runs), or its words. Errors
            show it: a key belongs into `env`.
        env: environment variables for the server. Of the kernel's own it gets PATH, HOME
            and the like only.
        name: what errors call it; by default the command.
        approve: ask the user before each call.
        timeout: seconds for a call.

    Raises:
        UsageError: the command is empty, or its quotes are not closed.
        ConfigurationError: the SDK is not installed.
    """
    return MCPServer(_words(command), env=env, name=name, approve=approve, timeout=timeout)


async def close_all() -> None:
    """End every server; called on the I/O thread. One that is used again starts again."""
    await asyncio.gather(*(each.close() for each in _connections.copy()))


class MCPServer:
    """An MCP server's tools, for `Chat(tools=...)`; made by `nbstream.mcp`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None,
        name: str | None,
        approve: bool,
        timeout: float | None,
    ) -> None:
        if importlib.util.find_spec("mcp") is None:
            raise ConfigurationError('MCP needs its SDK: pip install "nbstream[mcp]"')
        self.name = name or shlex.join(command)
        self._command = tuple(command)
        self._env = dict(env or {})
        self._approve = approve
        self._timeout = timeout
        self._connection: _Connection | None = None

    def __repr__(self) -> str:
        return f"<MCPServer {self.name}>"

    async def tools(self) -> Sequence[Tool]:
        """What the server offers now; starts it where it does not run.

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
        """End the process, if it runs; called on the I/O thread."""
        if self._connection is not None:
            await self._connection.close()

    def _connect(self) -> _Connection:
        connection = _Connection(self.name, self._command, self._env)
        # A server that nobody holds any more, because its cell ran again, is not kept.
        weakref.finalize(self, connection.close_soon).atexit = False
        return connection

    async def _tools(self, connection: _Connection) -> list[Tool]:
        return [
            Tool(
                name=re.sub(r"[^A-Za-z0-9_-]", "_", each["name"])[:64],
                description=each.get("description") or "",
                parameters=_parameters(each["inputSchema"]),
                bind=functools.partial(_bind, connection, each["name"]),
                is_async=True,
                approve=self._approve,
                timeout=self._timeout,
            )
            for each in await connection.list_tools()
        ]


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
    connection: _Connection, name: str, arguments: Mapping[str, Any]
) -> Callable[[], Coroutine[Any, Any, Any]]:
    return functools.partial(connection.call, name, dict(arguments))  # the server checks them


# -- a process -------------------------------------------------------------------

_connections: set[_Connection] = set()


class _Connection:
    """One run of a server's process, kept by one task from its start to its end."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._name = name
        self._command = command
        self._env = env
        self._loop = asyncio.get_running_loop()
        self._session: asyncio.Future[Any] = self._loop.create_future()
        self._log = _Log()
        self._cause = "it was closed"
        self._is_closing = False
        # Not in the context of the cell that happens to come first: it outlives that cell.
        self._keeper = self._loop.create_task(self._keep(), context=contextvars.Context())
        _connections.add(self)
        self._keeper.add_done_callback(lambda _: _connections.discard(self))

    @property
    def is_open(self) -> bool:
        """Whether it is worth a try: not known to have ended, and not another process's."""
        is_ours = self._loop is asyncio.get_running_loop()  # else it is from before a fork
        return is_ours and not self._is_closing and not self._keeper.done()

    async def list_tools(self) -> list[dict[str, Any]]:
        """The server's tools in the protocol's own terms.

        Raises:
            ConfigurationError: the server does not start, or does not answer.
            MCPToolError: it has ended.
        """
        session = await self._while_open(asyncio.shield(self._session))
        try:
            async with asyncio.timeout(_START_TIME):
                return await self._while_open(_all_tools(session))
        except MCPToolError:
            raise
        except Exception as error:
            what = _said(error) or f"no answer within {_START_TIME:g} s"
            raise ConfigurationError(
                f"MCP server {self._name} does not list its tools: {what} · ask its maker"
            ) from error

    async def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """The value of a call.

        Raises:
            MCPToolError: the server says that it failed, or has ended.
        """
        if not self.is_open:
            raise self._ended()
        session = await self._while_open(asyncio.shield(self._session))
        try:
            result = await self._while_open(session.call_tool(name, arguments))
        except MCPToolError:
            raise
        except Exception as error:
            if _code(error) == _CLOSED:
                await self.close()
                self._cause = _DIED + await asyncio.to_thread(self._log.tail)
                raise self._ended() from error
            raise MCPToolError(_said(error) or type(error).__name__) from error
        return _value(result.model_dump(mode="json", by_alias=True, exclude_none=True))

    async def close(self) -> None:
        """End the process: its stdin closes, and what does not end by that is killed."""
        if self._loop is asyncio.get_running_loop():
            self._stop()
            await asyncio.wait({self._keeper})

    def close_soon(self) -> None:
        """End the process, from any thread."""
        with suppress(RuntimeError):  # the loop has ended, and the process with it
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if not self._is_closing:  # a second `cancel` would break off the orderly end
            self._is_closing = True
            self._keeper.cancel()

    async def _while_open(self, work: Awaitable[T]) -> T:
        """The result of `work`, unless the process ends before.

        Older SDKs leave some calls waiting for ever when the process dies.
        """
        future = asyncio.ensure_future(work)
        try:
            await asyncio.wait({future, self._keeper}, return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                raise self._ended()
            return future.result()
        finally:
            future.cancel()  # the SDK tells the server; nothing where it is done

    def _ended(self) -> Exception:
        if self._session.done():
            return MCPToolError(
                f"MCP server {self._name} has ended ({self._cause}); "
                "it starts again with the next message"
            )
        return ConfigurationError(
            f"MCP server {self._name} did not start: {self._cause} · try the command in a terminal"
        )

    async def _keep(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                try:
                    async with asyncio.timeout(_START_TIME):
                        session = await _opened(stack, self._command, self._env, self._log.file)
                finally:
                    self._log.file.close()  # the process has its own
                self._session.set_result(session)
                await self._loop.create_future()  # until it is cancelled
        except Exception as error:  # noqa: BLE001  # of the SDK's, told to those who wait
            if self._is_closing:  # nobody waits for what older SDKs complain of then
                return
            wrote = await asyncio.to_thread(self._log.tail)
            self._cause = _cause(error, self._command[0], self._env) + wrote


async def _opened(
    stack: AsyncExitStack, command: Sequence[str], env: Mapping[str, str], log: TextIO
) -> Any:
    """A session with a new process, in a process group of its own: no interrupt reaches it."""
    sdk, stdio = await asyncio.to_thread(_sdk)
    settings = sdk.StdioServerParameters(command=command[0], args=command[1:], env=dict(env))
    read, write = await stack.enter_async_context(stdio.stdio_client(settings, errlog=log))
    session = await stack.enter_async_context(sdk.ClientSession(read, write))
    await asyncio.gather(session.initialize(), asyncio.to_thread(_warm_up))
    return session


def _sdk() -> tuple[Any, Any]:
    """The SDK, imported at the first use: it takes a second."""
    import mcp as sdk
    from mcp.client import stdio

    for name in ("mcp", "client"):  # the loggers whose warnings would land in the cell
        logging.getLogger(name).addHandler(logging.NullHandler())
    return sdk, stdio


def _warm_up() -> None:
    """Import what the SDK's second major version does on the loop, in the first call."""
    with suppress(ImportError):
        importlib.import_module("jsonschema")


async def _all_tools(session: Any) -> list[dict[str, Any]]:
    from mcp.types import PaginatedRequestParams

    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        found = page.model_dump(mode="json", by_alias=True, exclude_none=True)
        tools += found["tools"]
        cursor = found.get("nextCursor")
        if cursor is None:
            break
    return tools


class _Log:
    """The last lines of a process's stderr, which would else stand in the notebook."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self.file = os.fdopen(writer, "w")
        self._lines: deque[bytes] = deque(maxlen=_LOG_LINES)
        self._thread = threading.Thread(
            target=self._read, args=(reader,), name="nbstream-mcp-log", daemon=True
        )
        self._thread.start()

    def _read(self, reader: int) -> None:
        with os.fdopen(reader, "rb") as pipe:
            while line := pipe.readline(_LOG_WIDTH):
                if line.strip():
                    self._lines.append(line)

    def tail(self) -> str:
        """What a process that has ended wrote last, to append to a message."""
        self._thread.join(timeout=0.5)  # it may have left children that hold the pipe
        text = " ".join(line.decode(errors="replace").strip() for line in self._lines)
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
        return f" · it wrote: {''.join(c for c in text if c.isprintable())}" if text else ""


def _cause(error: BaseException, program: str, env: Mapping[str, str]) -> str:
    """Why a process is not there, in a few words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"no answer within {_START_TIME:g} s"
    if isinstance(error, OSError) and shutil.which(program, path=env.get("PATH")) is None:
        return f"command not found: {program}"
    return _DIED if _code(error) == _CLOSED else _said(error) or type(error).__name__


def _code(error: BaseException) -> int | None:
    """The number of an error of the protocol."""
    code = getattr(getattr(error, "error", None), "code", None)
    return code if isinstance(code, int) else None


def _said(error: BaseException) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split())


@atexit.register
def _end_with_python() -> None:
    own = [each for each in _connections if each._loop is io_thread.loop]  # noqa: SLF001
    if own:
        with suppress(Exception):  # nobody is left who would read it
            io_thread.submit(close_all()).future.result(timeout=_END_TIME)


# -- results ---------------------------------------------------------------------


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
