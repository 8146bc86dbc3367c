"""An interrupt stops a cell at any stage, soon, and what came is kept: in a real kernel."""

from __future__ import annotations

import contextlib
import itertools
import math
import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import pytest
from kernels import Kernel, kernel
from long import LONG
from replay import Gate, Hang, ReplayServer, Reply, chunk, completion, error, sample, silence

from nbstream.request_messages import NO_ANSWER

REPEATS = 40 if LONG else 4
STOPPED = "stopped: the user stopped it"  # the result of a call
BOUND = 2.0  # seconds, on any machine

TOOLS = """
import asyncio, time
from nbstream import tool

def plain() -> str:
    print("the tool runs", flush=True)
    time.sleep(60)

async def asynchronous() -> str:
    print("the tool runs", flush=True)
    await asyncio.sleep(60)

@tool(approve=True)
def asks() -> str:
    "Asks first."
"""


@dataclass
class Stage:
    """Where an answer stands when it is interrupted.

    Attributes:
        reply: what the server does; None where it is never reached.
        is_there: whether the answer stands there.
        flags: of the cell.
        text: what came before, or None: whatever it was.
    """

    reply: Callable[[], Reply] | None
    is_there: Callable[[ReplayServer, Kernel], bool]
    flags: str = ""
    text: str | None = ""


def is_connecting(server, nb):
    process = psutil.Process(nb.pid)

    def is_half_open():
        return any(c.status == psutil.CONN_SYN_SENT for c in process.net_connections())

    return server.wait_until(is_half_open)


def was_asked(server, _nb):
    return server.wait_requests(1)


def was_refused(server, _nb):
    time.sleep(0.1)  # until the kernel has read the refusal
    return server.wait_requests(1) and server.requests[0].finished.wait(5)


def is_at_gate(server, _nb):
    time.sleep(0.1)  # until the kernel has read what came before
    return server.wait_reached("here")


def is_shown(server, nb):
    """The page has the text."""
    return any(HALF in frame for frame in frames(nb)) and server.wait_reached("here")


def is_long(_server, nb):
    """The page has been sent much, and more is coming in."""
    return any(len(frame) > 20_000 for frame in frames(nb))


def frames(nb):
    """What the page is sent, as text: messages, and snapshots of all that it shows."""
    while True:
        message = nb.client.get_iopub_msg(timeout=10)
        if message["msg_type"] == "comm_msg":
            yield str(message["content"])
            yield from (zlib.decompress(buffer).decode() for buffer in message["buffers"])


def tool_runs(_server, nb):
    while True:
        message = nb.client.get_iopub_msg(timeout=10)
        if "the tool runs" in message["content"].get("text", ""):
            return True


def is_at_prompt(_server, nb):
    return "Run asks(" in nb.client.get_stdin_msg(timeout=10)["content"]["prompt"]


def calls(name):
    return completion(tool_calls=[{"name": name, "arguments": {}}])


def endless():
    return Reply(chunk({"content": piece}) for piece in itertools.cycle(sample(10_000)))


HALF = "Half an ans"
BEGINNING = chunk({"content": HALF})
STAGES = {
    "connect": Stage(None, is_connecting),
    "headers": Stage(silence, was_asked),
    "first token": Stage(lambda: Reply([b": ping\n\n", Gate("here"), Hang()]), is_at_gate),
    "between chunks": Stage(lambda: Reply([BEGINNING, Gate("here"), Hang()]), is_shown, text=HALF),
    "inside a chunk": Stage(
        lambda: Reply([BEGINNING, b'data: {"choices": [{"del', Gate("here"), Hang()]),
        is_shown,
        text=HALF,
    ),
    "rendering": Stage(endless, is_long, text=None),
    "plain tool": Stage(lambda: calls("plain"), tool_runs, "--tool plain"),
    "async tool": Stage(lambda: calls("asynchronous"), tool_runs, "--tool asynchronous"),
    "backoff": Stage(lambda: error(503, "busy", retry_after="50"), was_refused),
    "approval": Stage(lambda: calls("asks"), is_at_prompt, "--tool asks"),
}


@pytest.fixture(scope="module")
def nb():
    with kernel(JPY_SESSION_NAME="x.ipynb", OPENAI_API_KEY="sk-test") as running:
        running.run("%config ChatMagics.model = 'replay-1'\n" + TOOLS)
        with ReplayServer() as server:  # the first answer waits for imports
            server.reply(completion("Hello."))
            assert not running.run(f"%%chat --base-url {server.base_url}\nHello?").error
        yield running


@contextlib.contextmanager
def deaf_server():
    """The URL of a server that takes no connection: its queue is full."""
    with socket.socket() as listener, contextlib.ExitStack() as others:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(3):
            waiting = others.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        time.sleep(0.05)
        yield f"http://127.0.0.1:{address[1]}/v1"


def interrupted(nb, server, base_url, stage):
    """Interrupt an answer where `stage` says; return the seconds until its cell has ended."""
    nb.run("%chat reset")
    cell = nb.start(f"%%chat --base-url {base_url} {stage.flags}\nFirst?", allow_stdin=True)
    assert stage.is_there(server, nb)
    started = time.monotonic()
    nb.interrupt()
    result = nb.collect(cell)
    seconds = time.monotonic() - started
    assert result.error.startswith("Interrupted: Stopped."), result.error
    assert told(result) == []  # the answer says it
    kinds = ("display_data", "update_display_data")
    shown = [m["content"]["data"] for m in result.messages if m["msg_type"] in kinds]
    assert shown[-1]["text/markdown"].count("⚠ Stopped") == 1
    return seconds


def told(result):
    """The errors that stand below the cell."""
    sent = [m["content"] for m in result.messages if m["msg_type"] == "error"]
    return [" ".join(content["traceback"]) for content in sent]


def assert_kept(nb, server, base_url, stage):
    """The answer says that it is a part, and a next turn goes on from it."""
    for request in server.requests:
        assert request.finished.is_set() or request.aborted.wait(5)
    assert nb.value("_chat.status") == "cancelled"
    text = stage.text if stage.text is not None else nb.value("_chat.text")
    assert nb.value("_chat.text") == text
    assert nb.value("_chat.done, [c.result.content for c in _chat.tool_calls]") == (
        f"(True, {[STOPPED] if stage.flags else []})"
    )
    server.reply(completion("Next."))
    assert not nb.run(f"%%chat --base-url {server.base_url}\nSecond?").error
    assert nb.value("_chat.text") == "Next."
    sent = server.requests[-1].json["messages"]
    came = [text] if text else [None, STOPPED, NO_ANSWER] if stage.flags else []
    assert [m["content"] for m in sent if m["role"] != "user"] == came
    called = [c["id"] for m in sent for c in m.get("tool_calls", ())]
    assert called == [m["tool_call_id"] for m in sent if m["role"] == "tool"]


@pytest.mark.parametrize("name", STAGES)
def test_an_interrupt_stops_the_answer(nb, name):
    stage = STAGES[name]
    times = []
    for number in range(REPEATS):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(ReplayServer())
            base_url = server.base_url
            if stage.reply is None:
                base_url = stack.enter_context(deaf_server())
            else:
                server.reply(stage.reply())
            times.append(interrupted(nb, server, base_url, stage))
            if number in (0, REPEATS - 1):
                assert_kept(nb, server, base_url, stage)
    slowest = sorted(times)[math.ceil(0.95 * len(times)) - 1]
    print(f"{name}: 95 % of {len(times)} within {slowest:.2f} s, all within {max(times):.2f} s")
    assert slowest < BOUND


def test_a_stop_that_no_answer_tells_is_told_by_the_cell(nb):
    with ReplayServer() as server:
        server.reply(Reply([chunk({"content": HALF}), Hang()]))
        cell = nb.start(
            "import nbstream\n"
            f"chat = nbstream.Chat('replay-1', base_url={server.base_url!r}, view='none')\n"
            "chat.send('First?')"
        )
        assert server.wait_requests(1)
        nb.interrupt()
        assert told(nb.collect(cell)) == ["Interrupted: Stopped. The text so far is kept."]


def test_errors_that_others_have_a_handler_for_stay_theirs(nb):
    """A handler of the user's own is neither replaced at loading nor taken away."""
    result = nb.run(
        "%unload_ext nbstream\n"
        "shell = get_ipython()\n"
        "shell.set_custom_exc((ZeroDivisionError,), lambda *_, **__: print('mine'))\n"
        "%load_ext nbstream\n"
        "%unload_ext nbstream\n"
        "print(shell.custom_exceptions)"
    )
    assert "ZeroDivisionError" in result.stdout
    assert "mine" in nb.run("1 / 0").stdout
    after = "shell.set_custom_exc((), None)\n%load_ext nbstream\n%unload_ext nbstream\n"
    assert nb.run(after + "print(shell.custom_exceptions)").stdout == "()\n"
    nb.run("%load_ext nbstream")
