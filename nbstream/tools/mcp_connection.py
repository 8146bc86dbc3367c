"""A connection to an MCP server: opened, asked, kept, and ended.

The official SDK speaks the protocol (https://modelcontextprotocol.io); a transport carries
its messages. Everything runs on the I/O thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import importlib
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

from ..errors import ConfigurationError, causes
from ..io_thread import io_thread
from ..wire.apierrors import one_line

__all__ = ["CLOSED", "Connection", "MCPToolError", "Transport", "close_all", "is_over", "said"]

T = TypeVar("T")

#: The SDK's code and words for a connection that is gone. Servers have the code for other errors.
CLOSED = -32000, "Connection closed"

_UNREADABLE = -32700  # the protocol's code for what is no JSON, or no message
_START_TIME = 15.0  # seconds for a server to start and to answer the first questions
_END_TIME = 5.0  # seconds for all of them to end when Python does
_MAX_PAGES = 100  # of a list of tools: one that never ends is cut
_MAX_TOOLS = 1000
_MAX_CAUSE = 1000  # characters of what an error says of a server

_connections: set[Connection] = set()


class MCPToolError(Exception):
    """A call that an MCP server could not answer; the message is the server's, for the model."""


class Transport(Protocol):
    """How messages get to a server and back. Each connection has one of its own.

    Attributes:
        not_open: how the error begins where there is no connection, before the server's name.
        over: how it begins where there is none any more.
        again: what happens then.
        hint: what to do where there is no connection, if the cause does not say.
    """

    not_open: str
    over: str
    again: str
    hint: str

    def prepare(self) -> None:
        """What takes its time, such as imports; called on another thread, once, at first.

        Raises:
            ConfigurationError: something is missing.
        """

    def opened(self) -> AbstractAsyncContextManager[tuple[Any, Any]]:
        """The streams of the messages from the server and to it, as the SDK's sessions want."""

    async def why(self, error: BaseException) -> tuple[str, str]:
        """What an error says of the connection, in one line, and what to do, or ""."""

    def redact(self, text: str) -> str:
        """The text of an error without secrets."""

    async def cleaned(self, value: Any) -> Any:
        """JSON that the server sent, without secrets."""

    def release(self) -> None:
        """Let go of what is left when the connection is over."""


async def close_all() -> None:
    """End every connection; called on the I/O thread. What is used again opens a new one."""
    await asyncio.gather(*(each.close() for each in _connections.copy()))


class Connection:
    """One session with a server, kept by one task from its start to its end."""

    def __init__(self, name: str, transport: Transport) -> None:
        self._name = name
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._session: asyncio.Future[Any] = self._loop.create_future()
        self._cause = "it was closed"
        self._hint = transport.hint
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
            async with _in_time():
                tools = await self._while_open(_all_tools(session))
        except MCPToolError:
            raise
        except Exception as error:  # noqa: BLE001  # of the SDK's
            what, hint = await self._why(error)
        else:
            cleaned: list[dict[str, Any]] = await self._transport.cleaned(tools)
            return cleaned
        # The SDK's error is over: its traceback leads to the request, and so to keys.
        raise ConfigurationError(
            f"MCP server {self._name} does not list its tools: {what} · {hint or 'ask its maker'}"
        )

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
        except Exception as error:  # noqa: BLE001  # of the SDK's, as above
            failure = await self._failure(error)
        else:
            plain = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            cleaned: dict[str, Any] = await self._transport.cleaned(plain)
            return cleaned
        raise failure

    async def close(self) -> None:
        """End the session, and a process with it: one that does not end by itself is killed."""
        if self._loop is asyncio.get_running_loop():
            self._stop()
            await asyncio.wait({self._keeper})

    def close_soon(self) -> None:
        """End it, from any thread."""
        with suppress(RuntimeError):  # the loop has ended, and the connection with it
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if not self._is_closing:  # a second `cancel` would break off the orderly end
            self._is_closing = True
            self._keeper.cancel()

    def _end(self, _: object) -> None:
        _connections.discard(self)
        self._transport.release()

    async def _while_open(self, work: Awaitable[T]) -> T:
        """The result of `work`, unless the connection ends before.

        Older SDKs leave some calls waiting for ever when a process dies.
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
                f"{self._transport.over.format(self._name)} ({self._cause}); "
                f"{self._transport.again}"
            )
        not_open = self._transport.not_open.format(self._name)
        return ConfigurationError(f"{not_open}: {self._cause} · {self._hint}")

    async def _failure(self, error: BaseException) -> Exception:
        """The error for a call; where it says that the connection is gone, that is ended."""
        if not is_over(error):
            text = " ".join(said(error).split())
            return MCPToolError(self._transport.redact(text))
        await self.close()
        self._cause, _ = await self._why(error)
        return self._ended()

    async def _keep(self) -> None:
        try:
            await asyncio.to_thread(self._prepare)
            async with AsyncExitStack() as stack:
                async with _in_time():
                    session = await self._opened(stack)
                self._session.set_result(session)
                await self._loop.create_future()  # until it is cancelled
        except Exception as error:  # noqa: BLE001  # of the SDK's, told to those who wait
            if self._is_closing:  # nobody waits for what older SDKs complain of then
                return
            self._cause, hint = await self._why(error)
            self._hint = hint or self._hint

    def _prepare(self) -> None:
        """Load what takes a second, and would else be loaded on the I/O thread."""
        for module in ("mcp", "jsonschema"):  # the second for the first call
            importlib.import_module(module)
        for name in ("mcp", "client"):  # the loggers whose warnings would land in the cell
            logging.getLogger(name).addHandler(logging.NullHandler())
        self._transport.prepare()

    async def _opened(self, stack: AsyncExitStack) -> Any:
        from mcp import ClientSession

        read, write = await stack.enter_async_context(self._transport.opened())
        session = await stack.enter_async_context(ClientSession(read, write))
        await session.initialize()
        return session

    async def _why(self, error: BaseException) -> tuple[str, str]:
        error = causes(error)[0]
        what, hint = await self._transport.why(error)
        return one_line(what, _MAX_CAUSE), one_line(hint)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Raise TimeoutError, with words, where a server takes too long."""
    try:
        async with asyncio.timeout(_START_TIME):
            yield
    except TimeoutError:
        raise TimeoutError(f"no answer within {_START_TIME:g} s") from None


async def _all_tools(session: Any) -> list[dict[str, Any]]:
    from mcp.types import PaginatedRequestParams

    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        found = page.model_dump(mode="json", by_alias=True, exclude_none=True)
        tools += found["tools"]
        cursor = found.get("nextCursor")
        if cursor is None or len(tools) > _MAX_TOOLS:
            break
    return tools[:_MAX_TOOLS]


def is_over(error: BaseException) -> bool:
    """Whether an error of the protocol says that there is no connection any more."""
    code, words = CLOSED
    said = getattr(error, "error", None)
    return getattr(said, "code", None) == code and str(error).startswith(words)


def said(error: BaseException) -> str:
    """What an error says."""
    if getattr(getattr(error, "error", None), "code", None) == _UNREADABLE:
        return "the answer is not a message of MCP"  # instead of all that each kind would need
    return str(error) or type(error).__name__


@atexit.register
def _end_with_python() -> None:
    if _connections:
        with suppress(Exception):  # nobody is left who would read it
            io_thread.submit(close_all()).future.result(timeout=_END_TIME)
