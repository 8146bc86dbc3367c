"""The thread on which all streams are read, and one for coroutines of the user's."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from .errors import ConfigurationError, UsageError

__all__ = ["IOThread", "Job", "check_threads", "in_thread", "io_thread", "tool_thread"]

_T = TypeVar("_T")

_END_TIME = 5.0  # seconds for what runs to end
_POLL = 0.2  # seconds; a lock with a timeout can be interrupted on Windows too
_BLOCKED = 1.0  # seconds after which a loop that does not turn is taken for blocked


class Job:
    """A coroutine that runs on an `IOThread`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # who stops waiting does not cancel it
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        # The handle copies the caller's context and the task inherits it: what the
        # coroutine shows goes to the cell that submitted it.
        self._loop.call_soon_threadsafe(self._start, coroutine)

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._task = self._loop.create_task(coroutine)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self.future.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())

    def cancel(self) -> None:
        """Cancel the coroutine, from any thread; it still gets to its first line.

        The second hop through the loop lets a task begin that was only just created:
        a task that is cancelled before its first step would skip its own `finally`.
        """
        self._call_soon(lambda: self._loop.call_soon(self._cancel))

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _call_soon(self, callback: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def wait(self) -> Any:
        """Wait for the coroutine's result; a KeyboardInterrupt gets through.

        Raises:
            UsageError: on the thread that runs it, which would wait for ever.
        """
        if _running_loop() is self._loop:
            raise UsageError(
                "the thread that reads the answer cannot wait for it · await chat.asend(...)"
            )
        while True:
            try:
                return self.future.result(timeout=_POLL)
            except FutureTimeoutError:
                if self.future.done():
                    return self.future.result()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def check_threads() -> None:
    """Look whether this Python can read an answer at all.

    Raises:
        ConfigurationError: it runs in a browser (Pyodide, as in JupyterLite), without threads and
            sockets.
    """
    if sys.platform == "emscripten":
        raise ConfigurationError(
            "nbstream needs threads and sockets, and this Python, which runs in the browser "
            "(JupyterLite, Pyodide), has neither · open the notebook in Jupyter on a machine"
        )


def _thread_class() -> type[threading.Thread]:
    """`marimo.Thread` in a notebook of marimo, where what widgets send from no other arrives."""
    marimo = sys.modules.get("marimo")
    if marimo is None or not marimo.running_in_notebook():
        return threading.Thread
    found: type[threading.Thread] = marimo.Thread
    return found


class IOThread:
    """An event loop on a daemon thread, started at the first use."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            # A fork copies this object but not the thread: the child starts its own.
            if self._loop is None or self._pid != os.getpid():
                self._loop = asyncio.new_event_loop()
                self._pid = os.getpid()
                self._thread = _thread_class()(
                    target=self._loop.run_forever, name=self._name, daemon=True
                )
                self._thread.start()
            return self._loop

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> Job:
        """Start `coroutine` in a copy of the caller's context.

        Raises:
            ConfigurationError: there are no threads (`check_threads`).
        """
        try:
            check_threads()
        except ConfigurationError:
            coroutine.close()
            raise
        job = Job(self.loop)
        job.start(coroutine)
        return job

    async def make_responsive(self) -> None:
        """Leave a loop behind that somebody blocks; the next `submit` starts a new one."""
        loop = self.loop
        try:
            async with asyncio.timeout(_BLOCKED):
                await asyncio.wrap_future(self.submit(asyncio.sleep(0)).future)
        except TimeoutError:
            with self._lock:
                if self._loop is loop:  # else another one was faster
                    self._loop = self._thread = None

    def stop(self) -> None:
        """Cancel what runs, and end the thread. A later `submit` starts a new one."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or self._pid != os.getpid():
            return
        try:
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(timeout=_END_TIME)
        except FutureTimeoutError:
            return  # blocked; the thread ends with Python
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=_END_TIME)
        loop.close()


async def in_thread(function: Callable[..., _T], *arguments: Any) -> _T:
    """Call `function` where it holds up no stream, in a copy of the caller's context.

    As `asyncio.to_thread`, but to its end also where the waiting task is cancelled: for what
    a stop must not cut off.
    """
    call = partial(contextvars.copy_context().run, function, *arguments)
    try:
        called = asyncio.get_running_loop().run_in_executor(None, call)
    except RuntimeError:  # Python ends, and starts no thread any more
        return call()
    while not called.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((called,))
    return called.result()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


io_thread = IOThread("nbstream-io")
#: Coroutines of the user's run here: one that blocks holds up no stream.
tool_thread = IOThread("nbstream-async-tools")
