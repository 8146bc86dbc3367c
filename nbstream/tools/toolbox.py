"""Runs the calls that a model asks for: every one gets a result, whatever happens."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from ..approval import Approval, Decision, ask
from ..io_thread import tool_thread
from ..messages import ToolCall, ToolResult, api_name, meant_name
from .foreground import Foreground, TimeLimit, is_of_another_timer, limited
from .names import function_name
from .results import error_result, tool_result
from .tool import ArgumentsError, Tool, ToolSource, parse_arguments, unique

__all__ = ["Toolbox"]

_T = TypeVar("_T")

_NOT_OFFERED = "This tool is not offered in this turn. Answer without it."
_PREFIX = 24  # characters of a server's name before a tool's
_GRACE = 1.0  # seconds that a function gets to stop at its limit before it is left behind


class Toolbox:
    """The tools of one turn.

    Args:
        tools: what may be called.
        approve_all: ask the user before every call.
        timeout: seconds for a call whose tool does not say; None is no bound.
        due: when the time of the whole answer is over, by the loop's clock, or None.
        foreground: runs plain functions, and asks, where the notebook's thread waits;
            None: plain functions run on threads of their own, and somebody else answers.
        past: the names of tools that earlier turns offered.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        *,
        approve_all: bool,
        timeout: float | None,
        foreground: Foreground | None,
        due: float | None = None,
        past: Collection[str] = (),
    ) -> None:
        self._tools = {each.name: each for each in unique(tools)}
        self._approve_all = approve_all
        self._timeout = timeout
        self._due = due
        self._foreground = foreground
        self._past = past
        self._line = asyncio.Lock()

    @classmethod
    async def opened(cls, sources: Sequence[Tool | ToolSource], **settings: Any) -> Toolbox:
        """The toolbox of these tools and of what these sources have now."""
        found = [
            (None, [source]) if isinstance(source, Tool) else (source, await source.tools())
            for source in sources
        ]
        return cls(_told_apart(found), **settings)

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(self._tools.values())

    async def run(
        self,
        call: ToolCall,
        *,
        waits: Callable[[Approval], None],
        runs: Callable[[str | None], None],
    ) -> ToolResult:
        """Run one call, and say what came of it.

        Args:
            call: what the model wrote.
            waits: told when the call waits for the user.
            runs: told when the call begins, with the arguments (JSON) that the user has put in
                place of the model's, or None.
        """
        try:
            chosen = self._tool(call.name)
            bound = _bound(chosen, call.arguments)
            asks = chosen.approve or self._approve_all
            changed: str | None = None
            async with self._place(chosen, asks=asks):
                if asks:
                    bound, changed = await self._agreed(chosen, call, waits)
                runs(changed)
                return await self._run(chosen, bound)
        except ArgumentsError as error:
            return error_result(str(error))
        except _Rejected as rejected:
            decision = rejected.decision
            return ToolResult(decision.told, status="rejected", summary=decision.reason)

    def _tool(self, name: str) -> Tool:
        found = self._tools.get(name) or self._tools.get(self._meant(name))
        if found is None:
            if name in self._past or api_name(name) in self._past:
                raise ArgumentsError(_NOT_OFFERED)
            known = ", ".join(self._tools) or "none"
            raise ArgumentsError(f"there is no tool {name!r}; there are: {known}")
        return found

    def _meant(self, name: str) -> str:
        """The tool that a name means, or "" where it may be either of two."""
        meant = meant_name(name)
        other = re.sub(r"[^A-Za-z0-9_-]", "_", name.strip())  # as a server's tool would be named
        is_doubtful = other != meant and other in self._tools
        return "" if is_doubtful else meant if meant.isascii() else function_name(meant)

    async def _agreed(
        self, chosen: Tool, call: ToolCall, waits: Callable[[Approval], None]
    ) -> tuple[Callable[[], Any], str | None]:
        """The call that the user agrees to, and its arguments where it is another one.

        Raises:
            _Rejected: the user does not agree.
        """
        question = Approval(call, is_at_prompt=self._foreground is not None)
        while True:
            waits(question)
            if self._foreground is not None:
                self._foreground.submit(partial(ask, question))
            decision = await asyncio.wrap_future(question.decision)
            if decision.arguments is None:
                raise _Rejected(decision)
            try:
                bound = _bound(chosen, decision.arguments)
            except ArgumentsError as error:
                question = Approval(
                    call,
                    arguments=decision.arguments,
                    problem=str(error),
                    is_at_prompt=question.is_at_prompt,
                )
                continue
            if _are_same(decision.arguments, call.arguments):
                return bound, None
            return bound, decision.arguments

    def _place(self, chosen: Tool, *, asks: bool) -> AbstractAsyncContextManager[Any]:
        """The notebook's thread does one thing after the other; all else runs side by side."""
        is_in_line = self._foreground is not None and (asks or not chosen.is_async)
        return self._line if is_in_line else nullcontext()

    async def _run(self, chosen: Tool, bound: Callable[[], Any]) -> ToolResult:
        limit = self._limit(chosen)
        if chosen.on_io_thread:
            return await _awaited(bound, limit)
        if chosen.is_async:
            return await _on_tool_thread(bound, limit)
        made = await self._called(bound, limit)
        if isinstance(made, ToolResult):
            return made
        return await _on_tool_thread(lambda: made, limit)  # of a decorated function, perhaps

    def _limit(self, chosen: Tool) -> float | None:
        """The seconds that a call has: its own, within what is left of the answer's."""
        limit = self._timeout if chosen.timeout is None else chosen.timeout
        if self._due is None:
            return limit
        left = max(0.0, self._due - asyncio.get_running_loop().time())
        return left if limit is None else min(limit, left)

    async def _called(
        self, bound: Callable[[], Any], limit: float | None
    ) -> ToolResult | Awaitable[Any]:
        """Call a plain function where it belongs, and look at its value there."""
        is_at_home = self._foreground is not None

        def look() -> ToolResult | Awaitable[Any]:
            started = time.monotonic()
            value = bound()
            if inspect.isawaitable(value):
                return value
            return tool_result(value, time.monotonic() - started)

        def call() -> Any:
            started = time.monotonic()
            try:
                return limited(look, limit)
            # Whatever else it raises is its result. No future could hand on all of that:
            # StopIteration is lost in one, and CancelledError looks like a Stop.
            except BaseException as error:
                is_stop = isinstance(error, KeyboardInterrupt) or is_of_another_timer(error)
                if is_at_home and is_stop:
                    raise  # the user's, or another limit's, which stops the answer
                if isinstance(error, TimeLimit):
                    return _too_late(limit)
                return error_result(error, time.monotonic() - started)

        submit = _in_thread if self._foreground is None else self._foreground.submit
        return await _within(submit(call), limit)


class _Rejected(Exception):  # noqa: N818  # it is not an error
    """The user does not let a call run."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.reason)
        self.decision = decision


def _told_apart(found: Sequence[tuple[ToolSource | None, Sequence[Tool]]]) -> list[Tool]:
    """The tools of all sources; where several have one name, a server's gets its server's before.

    Servers do not know each other, and many have a `search`.
    """
    names = Counter(each.name for _, tools in found for each in tools)
    return [
        each
        if source is None or names[each.name] == 1
        else replace(each, name=_prefixed(source.name, each.name))
        for source, tools in found
        for each in tools
    ]


def _prefixed(server: str, name: str) -> str:
    return function_name(f"{api_name(server)[:_PREFIX]}_{name}"[:64])


def _bound(chosen: Tool, arguments: str) -> Callable[[], Any]:
    """The call with arguments in JSON, ready to run.

    Raises:
        ArgumentsError: they do not fit, or a type of the user's fails to read them.
    """
    try:
        return chosen.bind(parse_arguments(arguments))
    except ArgumentsError:
        raise
    except Exception as error:
        raise ArgumentsError(f"{type(error).__name__}: {error}") from error


async def _on_tool_thread(bound: Callable[[], Awaitable[Any]], limit: float | None) -> ToolResult:
    """Await a call where it can block nothing but other calls."""
    await tool_thread.make_responsive()
    job = tool_thread.submit(_awaited(bound, limit))
    try:
        return await _within(job.future, limit)
    finally:
        job.cancel()  # where nobody waits for it any more


async def _awaited(bound: Callable[[], Awaitable[Any]], limit: float | None) -> ToolResult:
    started = time.monotonic()
    task = asyncio.current_task()
    assert task is not None
    try:
        async with asyncio.timeout(limit):
            try:
                value = await bound()
            except BaseException as error:  # sys.exit() in a tool, too
                if isinstance(error, asyncio.CancelledError) and task.cancelling():
                    raise  # the limit or a Stop, and not the tool's own doing
                return error_result(error, time.monotonic() - started)
    except TimeoutError:
        return _too_late(limit)
    # Looking at a large object takes time too, and must not hold up what else is awaited.
    return await asyncio.to_thread(_looked_at, value, time.monotonic() - started)


def _looked_at(value: Any, seconds: float) -> ToolResult:
    """The result of a value, also where looking at it fails."""
    try:
        return tool_result(value, seconds)
    except BaseException as error:  # noqa: BLE001  # of an object of the user's
        return error_result(error, seconds)


async def _within(future: Future[_T], limit: float | None) -> _T | ToolResult:
    """What comes of a call on another thread, which is left behind soon after its limit."""
    try:
        async with asyncio.timeout(None if limit is None else limit + _GRACE):
            return await asyncio.wrap_future(future)
    except TimeoutError:
        return _too_late(limit)


def _too_late(limit: float | None) -> ToolResult:
    return error_result(f"no result within {limit:g} s: the call was stopped", limit)


def _are_same(one: str, other: str) -> bool:
    """Whether two texts give the same arguments, however they are laid out."""
    try:
        first, second = (json.dumps(parse_arguments(text), sort_keys=True) for text in (one, other))
    except ArgumentsError:
        return False
    return first == second


def _in_thread(function: Callable[[], Any]) -> Future[Any]:
    """Run `function` on a thread that nobody waits for when Python ends."""
    future: Future[Any] = Future()
    context = contextvars.copy_context()  # what it prints goes to the right cell

    def run() -> None:
        try:
            value = context.run(function)
        except BaseException as error:  # noqa: BLE001  # handed on
            future.set_exception(error)
        else:
            future.set_result(value)

    future.set_running_or_notify_cancel()  # from now on it cannot be cancelled, only left alone
    threading.Thread(target=run, name="nbstream-tool", daemon=True).start()
    return future
