"""Bodies that nobody reads to their end: all that reads them is closed in order, and at once.

A generator that is left in the midst is ended by Python's collector, later and on any thread:
"Exception ignored in async_generator Response.aiter_raw ... already executing".
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from replay import Cut, Gate, Hang, ReplayServer, Reply, chunk, completion

from nbstream import Chat
from nbstream.errors import NbstreamError
from nbstream.io_thread import io_thread

TEXT = chunk({"content": "word " * 50})
FAILED = {"error": {"message": "no"}}
BODIES: dict[str, Reply] = {
    "whole": completion("Hello"),
    "more behind [DONE]": Reply([TEXT, "data: [DONE]\n\n", *[TEXT] * 500, Hang()]),
    "cut": Reply([TEXT, Cut()]),
    "reset": Reply([TEXT, Cut(reset=True)]),
    "an error, and silence": Reply([TEXT, FAILED, Hang()]),
    "an error, and more": Reply([TEXT, FAILED, *[TEXT] * 500]),
    "no JSON": Reply([TEXT, b"data: {\n\n", *[TEXT] * 20]),
    "a refusal": Reply(["no"], status=400),
    "a refusal without end": Reply(["no " * 30_000] * 20, status=400),
    "a refusal that stalls": Reply(["no", Cut()], status=500, headers={"retry-after": "0"}),
    "compressed": Reply([b"\x1f\x8b"], headers={"content-encoding": "gzip"}),
}


@pytest.fixture
def left_open() -> Iterator[list[str]]:
    """The generators of the I/O thread that nobody has closed when they are let go."""
    found: list[str] = []

    async def watch() -> Any:
        before = sys.get_asyncgen_hooks()

        def note(generator: Any) -> None:
            found.append(generator.__qualname__)
            before.finalizer(generator)

        sys.set_asyncgen_hooks(finalizer=note)
        return before.finalizer

    async def restore(finalizer: Any) -> None:
        sys.set_asyncgen_hooks(finalizer=finalizer)

    finalizer = io_thread.submit(watch()).wait()
    yield found
    io_thread.submit(restore(finalizer)).wait()


async def turn() -> None:
    """Let the loop go round once, and end what nothing refers to."""
    await asyncio.sleep(0)
    gc.collect()


def chat(replay: ReplayServer, **options: Any) -> Chat:
    return Chat("m", base_url=replay.base_url, view="none", **options)


def test_the_watch_sees_a_generator_that_is_left(left_open):
    async def numbers() -> Any:
        for number in range(3):
            yield number

    async def leave() -> None:
        async for _ in numbers():
            break
        await turn()

    io_thread.submit(leave()).wait()
    assert len(left_open) == 1


@pytest.mark.parametrize("name", BODIES)
def test_nothing_is_left_open(replay, left_open, name):
    replay.reply(*[BODIES[name]] * 3)
    with contextlib.suppress(NbstreamError):
        chat(replay).send("a")
    io_thread.submit(turn()).wait()
    assert left_open == []


@pytest.mark.parametrize("limit", [{"timeout": 0.3}, {"idle_timeout": 0.3}], ids=["total", "idle"])
@pytest.mark.parametrize("said", [[], [TEXT]], ids=["nothing", "half"])
def test_nothing_is_left_open_at_a_limit(replay, left_open, limit, said):
    replay.reply(Reply([*said, Hang()]))
    options = {**limit, "timeout": limit.get("timeout", 1)}
    with pytest.raises(NbstreamError):
        chat(replay, **options).send("a")
    io_thread.submit(turn()).wait()
    assert left_open == []


@pytest.mark.parametrize("said", [[], [TEXT], [TEXT] * 300], ids=["nothing", "half", "much"])
def test_nothing_is_left_open_behind_a_stop(replay, left_open, said):
    replay.reply(Reply([*said, Gate("said"), *[TEXT] * 300, Hang()]))
    asking = chat(replay)

    async def ask_and_stop() -> None:
        task = asyncio.ensure_future(asking.asend("a"))
        await asyncio.to_thread(replay.wait_reached, "said")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
            await task

    asyncio.run(ask_and_stop())
    assert asking.last is not None
    assert asking.last.wait(10)
    io_thread.submit(turn()).wait()
    assert left_open == []


def test_many_at_once_leave_nothing_open(replay, left_open, monkeypatch):
    """Many conversations that end in every way, while the collector runs on another thread."""
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    names = [name for name in BODIES if "refusal" not in name]
    count = 40
    replay.reply(*[BODIES[names[number % len(names)]] for number in range(count)])

    async def ask_all() -> None:
        asked = [asyncio.ensure_future(chat(replay).asend("a")) for _ in range(count)]
        for task in asked[::5]:
            await asyncio.sleep(0.01)
            task.cancel()
        while not all(task.done() for task in asked):
            gc.collect()
            await asyncio.wait(asked, timeout=0.05)
        await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(ask_all())
    io_thread.submit(turn()).wait()
    gc.collect()
    assert left_open == []
    assert [each for each in ignored if "async_generator" in repr(each.object)] == []
