"""Answers in the background of a real kernel: beside other cells, and leaving nothing behind."""

from __future__ import annotations

import ast
import signal
import time

import ipykernel
import psutil
import pytest
from kernels import Kernel, kernel
from long import LONG
from replay import Hang, Reply, chunk, completion, error, silence

ABORTS = 2000 if LONG else 200
ENV = {"JPY_SESSION_NAME": "x.ipynb", "OPENAI_API_KEY": "sk-test"}


@pytest.fixture(scope="module")
def running():
    with kernel(**ENV) as running:
        yield running


@pytest.fixture
def nb(running, replay):
    """The kernel, and its endpoint the test's server; nothing is remembered."""
    running.run(f"%config ChatMagics.base_url = '{replay.base_url}'\n%chat reset")
    running.run("%config ChatMagics.model = 'replay-1'")
    return running


def test_the_answer_fills_while_other_cells_run(nb, replay):
    replay.reply(completion(["one ", "two ", "three"], gate="piece"), completion("Next."))
    result = nb.run("%%chat --bg --out answer\nFirst?")
    assert not result.error
    assert nb.value("_chat is answer, answer.done, answer.status, answer.text") == (
        "(True, False, 'running', '')"
    )
    replay.open("piece-0")
    replay.open("piece-1")
    until = "import time\nwhile answer.text != 'one two ': time.sleep(0.01)"
    assert not nb.run(until, timeout=10).error
    assert nb.value("answer.wait(0.05), answer.wait(timeout=0), answer.done") == (
        "(False, False, False)"
    )
    awaiting = nb.start("print((await answer).text, answer.done)")
    replay.open("piece-2")
    assert nb.collect(awaiting).stdout.strip() == "one two three True"
    assert nb.value("answer.wait(), answer.status") == "(True, 'complete')"
    assert nb.value("(await answer) is answer") == "True"
    assert not nb.run("%%chat\nSecond?").error
    assert [m["content"] for m in replay.requests[1].json["messages"]] == [
        "First?",
        "one two three",
        "Second?",
    ]


@pytest.mark.parametrize("wait", ["answer.wait()", "await answer"])
def test_an_interrupt_ends_the_waiting_and_not_the_answer(nb, replay, wait):
    replay.reply(completion(["one ", "two"], gate="piece"))
    assert not nb.run("%%chat --bg --out answer\nGo.").error
    cell = nb.start(f"print('waits', flush=True)\n{wait}")
    while "waits" not in nb.client.get_iopub_msg(timeout=10)["content"].get("text", ""):
        pass
    time.sleep(0.1)  # until it does
    nb.interrupt()
    assert nb.collect(cell, 5).error
    assert nb.value("answer.status") == "running"
    replay.open("piece-0")
    replay.open("piece-1")
    assert nb.value("answer.wait(10), answer.text") == "(True, 'one two')"


def test_several_at_a_time_each_to_its_own_output(nb, replay):
    for _ in range(3):
        replay.reply(lambda request: completion(echo(request), gate="all", piece=100))
    cells = [nb.start(f"%%chat --bg --no-history --out a{i}\nNumber {i}.") for i in range(3)]
    shown = [nb.collect(cell) for cell in cells]
    assert replay.wait_requests(3)
    assert nb.value("[a.status for a in (a0, a1, a2)]") == "['running', 'running', 'running']"
    replay.open("all-0")
    waiting = nb.start("[a.wait(10) for a in (a0, a1, a2)]\nimport time; time.sleep(0.2)")
    results = updates(nb, shown, waiting)
    assert nb.value("[a.text for a in (a0, a1, a2)]") == str(
        [f"You said: Number {i}." for i in range(3)]
    )
    for number, texts in enumerate(results):
        (final,) = [text for text in texts if "You said" in text]
        assert f"Number {number}." in final


@pytest.mark.parametrize(("view", "flag"), [("widget", "--no-history"), ("display", "")])
def test_the_last_answer_is_followed_to_its_end_in_one_cell_more(nb, replay, view, flag):
    paragraphs = [f"\n\nParagraph {n}. {'word ' * 500}" for n in range(4)]
    replay.reply(completion(paragraphs, gate="piece"))
    assert not nb.run(f"%config ChatMagics.view = '{view}'").error
    assert not nb.run(f"%%chat --bg --out answer {flag}\nGo.").error
    replay.open("piece-0")
    nb.run("import time\nwhile not answer.text: time.sleep(0.01)")
    again = nb.run("%chat last")
    assert not again.error
    waiting = nb.start("answer.wait(10); time.sleep(0.3)")
    for number in range(1, 4):
        replay.open(f"piece-{number}")
        time.sleep(0.4)  # longer than a frame: what follows stands in outputs of its own
    shown, own = everything(nb, waiting, again)
    assert "running" not in shown[-1]
    assert "Paragraph 3" in shown[-1]
    if view == "display" and ipykernel.version_info >= (7,):  # see `updates`
        assert own >= 2
    assert nb.run("%chat last").outputs[0]["text/markdown"].count("Paragraph") == 4
    nb.run("%config ChatMagics.view = 'auto'")


def everything(nb, last, cell):
    """What a cell's outputs were updated with until cell `last` is over; how many they are."""
    displays = [m["content"]["transient"] for m in cell.messages if m["msg_type"] == "display_data"]
    ids = [transient["display_id"] for transient in displays]
    whose = cell.reply["parent_header"]["msg_id"]
    shown = []
    while True:
        message = nb.client.get_iopub_msg(timeout=20)
        content, parent = message["content"], message["parent_header"].get("msg_id")
        if message["msg_type"] == "display_data" and parent == whose:
            ids.append(content["transient"]["display_id"])
        if content.get("transient", {}).get("display_id") in ids:
            shown.append(content["data"].get("text/markdown", ""))
        if parent == last and content.get("execution_state") == "idle":
            return shown, len(ids)


def test_a_session_that_answers_is_not_continued(nb, replay):
    replay.reply(completion("One.", finish="length"), completion(["two ", "three"], gate="piece"))
    nb.run("%%chat\nFirst?")
    nb.run("%%chat --bg --out answer\nSecond?")
    refused = nb.run("%chat continue")
    assert "is still answering: wait for its end or stop it" in refused.error
    assert len(replay.requests) <= 2
    nb.run("answer.cancel(); answer.wait()")


def echo(request):
    return f"You said: {request.json['messages'][-1]['content']}"


def updates(nb, shown, last):
    """The markdown that the output of each of `shown` was updated with, until cell `last` is over.

    Whose an update is says its display id, as front ends go by it: earlier kernels send what
    another thread shows in the name of the cell that runs.
    """
    owners = {
        message["content"]["transient"]["display_id"]: number
        for number, result in enumerate(shown)
        for message in result.messages
        if message["content"].get("transient")
    }
    texts: list[list[str]] = [[] for _ in shown]
    while True:
        message = nb.client.get_iopub_msg(timeout=20)
        content = message["content"]
        if message["msg_type"] == "update_display_data":
            owner = owners[content["transient"]["display_id"]]
            texts[owner].append(content["data"].get("text/markdown", ""))
        is_of_last = message["parent_header"].get("msg_id") == last
        if is_of_last and content.get("execution_state") == "idle":
            return texts


def test_an_error_is_shown_in_the_output_and_raised_nowhere(nb, replay):
    replay.reply(error(401, "Incorrect API key"))
    cell = nb.run("%%chat --bg --out answer\nGo.")
    assert not cell.error
    waiting = nb.start("answer.wait(10)\nimport time; time.sleep(0.2)")
    (shown,) = updates(nb, [cell], waiting)
    assert any("AuthenticationError" in text or "Incorrect API key" in text for text in shown), (
        shown
    )
    assert nb.value("answer.status, type(answer.error).__name__") == (
        "('error', 'AuthenticationError')"
    )
    assert nb.run("1 + 1").stdout == ""


COUNT = """
import asyncio, gc, psutil, random, threading, time
from nbstream.io_thread import io_thread

async def tasks():
    return len(asyncio.all_tasks()) - 1  # but for this one

def count():
    gc.collect()
    process = psutil.Process()
    threads = [t.name for t in threading.enumerate()]
    return {
        # The event loop keeps a few threads of its own.
        "threads": sorted(name for name in threads if not name.startswith("asyncio_")),
        "tasks": io_thread.submit(tasks()).wait(),
        "children": len(process.children(recursive=True)),
        "comms": len(get_ipython().kernel.comm_manager.comms),
        "sockets": len(process.net_connections("tcp")),
        "files": process.num_fds(),
    }

def abort(times):
    shell = get_ipython()
    random.seed(1)
    for number in range(times):
        shell.run_cell_magic("chat", "--bg --no-history", "Go.")
        answer = shell.user_ns["_chat"]
        time.sleep(random.random() * 0.03)
        answer.cancel()
        assert answer.wait(10), number
"""


def test_aborts_at_random_moments_leave_nothing_behind(nb, replay):
    replies = [
        silence,
        lambda: Reply([chunk({"content": "Half"}), Hang()]),
        lambda: completion("x" * 400, piece=4, pace=0.001),
        lambda: error(503, "busy", retry_after="50"),
    ]
    turn = iter(range(10**9))
    replay.fallback = lambda _request: replies[next(turn) % len(replies)]()
    assert not nb.run(COUNT + "abort(20); time.sleep(0.2)").error
    before = ast.literal_eval(nb.value("count()"))
    assert (before["tasks"], before["children"], before["comms"]) == (0, 0, 0)
    result = nb.run(f"abort({ABORTS})", timeout=ABORTS * 0.3)
    assert not result.error, result.error
    assert replay.wait_until(lambda: more_than(before, nb) == {}), more_than(before, nb)
    assert len(replay.requests) > ABORTS / 4
    assert replay.wait_until(lambda: replay.connections_open <= 1)


def more_than(before, nb):
    """What there is more of than before; one connection may be kept for the next answer."""
    after = ast.literal_eval(nb.value("count()"))
    kept = {"sockets": 1, "files": 1}
    return {
        name: (before[name], now)
        for name, now in after.items()
        if (now > before[name] + kept[name] if name in kept else now != before[name])
    }


@pytest.mark.parametrize("restart", [False, True], ids=["shutdown", "restart"])
def test_a_kernel_that_ends_leaves_nothing_behind(replay, restart):
    replay.reply(silence(), Reply([chunk({"content": "Half"}), Hang()]))
    nb = Kernel({**ENV, "OPENAI_BASE_URL": replay.base_url, "PYTHONFAULTHANDLER": "1"})
    try:
        for code in ("%load_ext nbstream", "%%chat -m m --bg\nOne?", "%%chat -m m --bg\nTwo?"):
            assert not nb.run(code).error
        assert replay.wait_requests(2)
        process = psutil.Process(nb.pid)
        family = [process, *process.children(recursive=True)]
        if restart:
            nb.manager.restart_kernel(now=False)
        else:
            nb.client.shutdown()
        _, alive = psutil.wait_procs(family, timeout=4)  # later, Jupyter would kill it
        for each in alive:
            each.send_signal(signal.SIGABRT)  # it says on stderr where it stands
        assert not alive
        assert all(request.aborted.wait(5) for request in replay.requests)
        assert replay.wait_until(lambda: replay.connections_open == 0)
    finally:
        nb.shut_down()
