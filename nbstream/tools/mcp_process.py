"""The process of an MCP server: started, asked, kept, and ended.

The official SDK speaks the protocol (https://modelcontextprotocol.io), over stdin and
stdout. Everything runs on the I/O thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import importlib
import logging
import os
import re
import shutil
import threading
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, TextIO, TypeVar

from ..errors import ConfigurationError
from ..io_thread import io_thread
from ..secret import Secret

__all__ = ["Connection", "MCPToolError", "close_all"]

T = TypeVar("T")

_START_TIME = 15.0  # seconds for a process to start and to answer the first questions
_END_TIME = 5.0  # seconds for all of them to end when Python does
_MOST_PAGES = 100  # of a list of tools: one that never ends is cut
_LOG_LINES = 3  # of a server's stderr that an error repeats
_LOG_WIDTH = 200  # bytes of each
_CLOSED = -32000  # the SDK's code for a connection that is gone
_DIED = "its process ended"

_connections: set[Connection] = set()


class MCPToolError(Exception):
    """A call that an MCP server could not answer; the message is the server's, for the model."""


async def close_all() -> None:
    """End every server; called on the I/O thread. One that is used again starts again."""
    await asyncio.gather(*(each.close() for each in _connections.copy()))


class Connection:
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
        self._keeper.add_done_callback(self._end)

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
            what = self._said(error) or f"no answer within {_START_TIME:g} s"
            raise ConfigurationError(
                f"MCP server {self._name} does not list its tools: {what} · ask its maker"
            ) from error

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a call in the protocol's own terms; it may say that it failed.

        Raises:
            MCPToolError: there is none.
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
                self._cause = _DIED + await self._wrote()
                raise self._ended() from error
            raise MCPToolError(self._said(error) or type(error).__name__) from error
        plain: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return plain

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

    def _end(self, _: object) -> None:
        _connections.discard(self)
        self._log.file.close()  # where it was cancelled before its first step

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
            await asyncio.to_thread(_import_sdk)
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
            cause = _cause(error, self._command[0], self._env)
            self._cause = self._without_env(cause) + await self._wrote()

    async def _wrote(self) -> str:
        return self._without_env(await asyncio.to_thread(self._log.tail))

    def _said(self, error: BaseException) -> str:
        return self._without_env(_said(error))

    def _without_env(self, text: str) -> str:
        """`text` without what the user gave the process only: keys stand there."""
        for value in self._env.values():
            text = Secret(value).redact(text)
        return text


async def _opened(
    stack: AsyncExitStack, command: Sequence[str], env: Mapping[str, str], log: TextIO
) -> Any:
    """A session with a new process, in a process group of its own: no interrupt reaches it."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    settings = StdioServerParameters(command=command[0], args=list(command[1:]), env=dict(env))
    read, write = await stack.enter_async_context(stdio_client(settings, errlog=log))
    session = await stack.enter_async_context(ClientSession(read, write))
    await session.initialize()
    return session


def _import_sdk() -> None:
    """Load what takes a second, and would else be loaded on the I/O thread."""
    for module in ("mcp.client.stdio", "jsonschema"):  # the second for the first call
        importlib.import_module(module)
    for name in ("mcp", "client"):  # the loggers whose warnings would land in the cell
        logging.getLogger(name).addHandler(logging.NullHandler())


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
            is_rest = False  # of a line that is cut
            while line := pipe.readline(_LOG_WIDTH):
                if line.strip() and not is_rest:
                    self._lines.append(line)
                is_rest = not line.endswith(b"\n")

    def tail(self) -> str:
        """What a process that has ended wrote last, to append to a message."""
        self._thread.join(timeout=0.5)  # it may have left children that hold the pipe
        text = " ".join(map(_shown, self._lines))
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
        return f" · it wrote: {''.join(c for c in text if c.isprintable())}" if text else ""


def _shown(line: bytes) -> str:
    is_cut = len(line) == _LOG_WIDTH and not line.endswith(b"\n")
    return line.decode(errors="replace").strip() + ("…" if is_cut else "")


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
    if _connections:
        with suppress(Exception):  # nobody is left who would read it
            io_thread.submit(close_all()).future.result(timeout=_END_TIME)
